import Forwarding
import PCAPNG
import Wire

/// A capture that goes on, or ended and was not read to its end yet: turns packets into the blocks of a pcapng file.
struct CaptureState {
  let order: CaptureOrder
  let deadline: Instant
  /// When it was last read: who asked for it may be gone.
  var readAt: Instant
  /// Why it ends; the worker has been told.
  var ending: String?
  /// Whether the worker has told all.
  private(set) var isComplete = false
  /// Whether the worker is about to tell.
  var isCollecting = false
  /// Whose the transports are, also after they left.
  var names: [TransportID: String] = [:]

  private let start: Instant
  private var hasHeader = false
  /// Blocks not yet read, in any order, and how much they are.
  private var pending: [(at: Instant, block: [UInt8])] = []
  private var pendingSize = 0
  /// Until when every packet of the worker's is here.
  private var until = Instant.zero
  private var arrived = Count()
  private var left = Count()
  /// What is said of packets of a kind.
  private var comments: [Kind: String] = [:]

  private struct Count {
    var captured: UInt64 = 0
    var dropped: UInt64 = 0
  }

  /// Packets of which the same is said.
  private struct Kind: Hashable {
    var transport: TransportID
    var source: SourceID?
    var sink: SinkID?
    var lane: Lane
    var isGenuine: Bool

    init(_ packet: CapturedPacket) {
      transport = packet.transport
      source = packet.source
      sink = packet.sink
      lane = packet.lane
      isGenuine = packet.isGenuine
    }
  }

  /// Octets that the worker, and those that the control plane keep for a reader.
  static let capacity = 4 << 20
  private static let pendingCapacity = 3 * capacity
  private static let maximumComments = 4096

  init(_ order: CaptureOrder, now: Instant) {
    self.order = order
    start = now
    readAt = now
    until = now
    deadline = now.advanced(by: .seconds(UInt64(clamping: order.seconds)))
  }

  // MARK: Packets

  /// Takes in what the worker recorded. `comment` is asked once for packets of a kind.
  mutating func add(_ record: CapturedPackets, comment: (CapturedPacket) -> String) {
    isCollecting = false
    isComplete = record.isLast
    until = max(until, record.until)
    arrived.dropped &+= record.droppedArrived
    left.dropped &+= record.droppedLeft
    for packet in record.packets {
      let kind = Kind(packet)
      let said = comments[kind] ?? comment(packet)
      if comments.count >= Self.maximumComments { comments = [:] }
      comments[kind] = said
      add(packet.direction, packet.tuple, record.payload(of: packet), at: packet.at, comment: said)
    }
  }

  mutating func add(
    _ direction: CapturedPacket.Direction, _ tuple: FiveTuple, _ payload: [UInt8], at: Instant, comment: String
  ) {
    let hasArrived = direction == .arrived
    let datagram = UDPDatagram(
      source: hasArrived ? tuple.remote : tuple.local, destination: hasArrived ? tuple.local : tuple.remote,
      payload: payload)
    let block = EnhancedPacket(
      interface: hasArrived ? 0 : 1, time: timeOfDay(at), direction: hasArrived ? .inbound : .outbound,
      datagram: datagram, comment: comment
    ).bytes
    let hasRoom = pendingSize + block.count <= Self.pendingCapacity
    if hasRoom {
      pending.append((at, block))
      pendingSize += block.count
    }
    count(hasArrived ? \.arrived : \.left, hasRoom)
  }

  private mutating func count(_ direction: WritableKeyPath<Self, Count>, _ isCaptured: Bool) {
    if isCaptured { self[keyPath: direction].captured &+= 1 } else { self[keyPath: direction].dropped &+= 1 }
  }

  private func timeOfDay(_ at: Instant) -> UInt64 { order.timeOfDay &+ at.nanoseconds &- start.nanoseconds }

  // MARK: Reading

  /// The next part of the file, in order of time. What the worker may still have something earlier to is kept back.
  mutating func read(now: Instant) -> CaptureReport {
    readAt = now
    var blocks = hasHeader ? [] : header
    hasHeader = true
    let limit = isComplete ? Instant(nanoseconds: .max) : until
    let ready = pending.filter { $0.at <= limit }.enumerated()
      .sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element.block)
    pending.removeAll { $0.at <= limit }
    pendingSize = pending.reduce(0) { $0 + $1.block.count }
    for block in ready { blocks += block }
    if isComplete { blocks += statistics }
    return CaptureReport(
      blocks: blocks, packets: arrived.captured &+ left.captured, dropped: arrived.dropped &+ left.dropped,
      ended: isComplete ? ending ?? "ended by the worker" : nil)
  }

  private var header: [UInt8] {
    let who = order.participant.map { "\($0) in room \(order.room)" } ?? "room \(order.room)"
    let how = order.isDecrypted ? "DECRYPTED: this file holds people's media" : "SRTP and SRTCP as on the wire"
    return SectionHeader(application: "needletail", comment: "\(who); \(how)").bytes
      + InterfaceDescription(name: "in", description: "what arrived from participants").bytes
      + InterfaceDescription(name: "out", description: "what left to participants").bytes
  }

  private var statistics: [UInt8] {
    [arrived, left].enumerated().flatMap { interface, count in
      InterfaceStatistics(
        interface: UInt32(interface), time: timeOfDay(until), received: count.captured &+ count.dropped,
        dropped: count.dropped
      ).bytes
    }
  }
}
