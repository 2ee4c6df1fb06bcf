import RTP
import SRTP
import Wire

/// What the kernel must know to forward a source as the worker would.
public struct SourceRoute: Sendable {
  public var transport: TransportID
  public var clockRate: UInt32
  /// Those that are not paused.
  public var sinks: [KernelSink]
  /// Highest sequence number so far, extended by rollovers and beginning with one; nil before the first packet.
  public var highestSequence: UInt32?
  public var jitter: UInt32
  public var transit: UInt32?
}

/// One sink of a `SourceRoute`.
public struct KernelSink: Hashable, Sendable {
  public var id: SinkID
  public var transport: TransportID
  public var ssrc: UInt32
  /// 128, by source payload type; 0xff where a packet is not copied.
  public var payloadTypes: [UInt8]
  public var sequenceOffset: UInt16
  public var timestampOffset: UInt32
}

/// Why the kernel cannot forward a source, for people.
public struct KernelRefusal: Error, Hashable, Sendable {
  public var reason: String
  /// Whether packets alone may change that, without a command.
  public var isPassing = false

  static let captured = KernelRefusal(reason: "it is being captured")
}

/// What the kernel forwarded of a source since it was last asked.
public struct KernelSourceCounts: Sendable {
  public var packets: UInt64 = 0
  public var bytes: UInt64 = 0
  public var rateLimited: UInt64 = 0
  public var firstSequence: UInt32 = 0
  public var highestSequence: UInt32 = 0
  /// Numbers left out where the sender began anew.
  public var skipped: UInt32 = 0
  public var lastArrival = Instant.zero
  public var jitter: UInt32 = 0
  public var transit: UInt32 = 0

  public init() {}
}

/// What the kernel sent to a sink since it was last asked.
public struct KernelSinkCounts: Sendable {
  public var packets: UInt64 = 0
  public var bytes: UInt64 = 0
  public var payloadOctets: UInt64 = 0
  public var firstSent = Instant.zero
  public var lastSent = Instant.zero

  public init() {}
}

// The kernel lane: the same numbers in the kernel and here, so that a source can change between them at any packet.
extension Forwarder {
  public func kernelRoute(of id: SourceID) -> Result<SourceRoute, KernelRefusal> {
    guard let slot = streamsByID[id] else { return .failure(KernelRefusal(reason: "the source is gone")) }
    let transport = transports[streams[slot].pointee.transport]
    guard transport.pointee.isClear else { return .failure(KernelRefusal(reason: "the source is encrypted")) }
    guard transport.pointee.extensions.transportWide == 0, streams[slot].pointee.redPayloadType == 0xff else {
      return .failure(KernelRefusal(reason: "the source needs its payload or arrivals looked at"))
    }
    guard transport.pointee.captures == 0 else { return .failure(.captured) }
    var route = SourceRoute(
      transport: transport.pointee.id, clockRate: streams[slot].pointee.clockRate, sinks: [],
      highestSequence: streams[slot].pointee.inbound.isEmpty
        ? nil : UInt32(truncatingIfNeeded: streams[slot].pointee.inbound.highest),
      jitter: streams[slot].pointee.jitter.scaled, transit: streams[slot].pointee.jitter.lastTransit)
    for i in 0..<streams[slot].pointee.sinkCount {
      let sink = sinks[streams[slot].pointee.sinks[i]]
      guard !sink.pointee.isPaused else { continue }
      switch kernelSink(sink) {
      case .success(let sink): route.sinks.append(sink)
      case .failure(let refusal): return .failure(refusal)
      }
    }
    guard !route.sinks.isEmpty else { return .failure(KernelRefusal(reason: "no sink wants packets")) }
    return .success(route)
  }

  /// Whether a source, or a sink, is of a transport of clear RTP; false if there is none.
  public func isClear(_ id: SourceID) -> Bool {
    streamsByID[id].map { transports[streams[$0].pointee.transport].pointee.isClear } ?? false
  }

  public func isClear(_ id: SinkID) -> Bool {
    sinksByID[id].map { transports[sinks[$0].pointee.transport].pointee.isClear } ?? false
  }

  private func kernelSink(_ sink: UnsafeMutablePointer<SinkSlot>) -> Result<KernelSink, KernelRefusal> {
    let transport = transports[sink.pointee.transport]
    guard transport.pointee.isClear else { return .failure(KernelRefusal(reason: "a sink is encrypted")) }
    guard transport.pointee.captures == 0 else { return .failure(.captured) }
    guard sink.pointee.midLength == 0, sink.pointee.retransmitter == nil else {
      return .failure(KernelRefusal(reason: "a sink needs header extensions rewritten or packets sent again"))
    }
    for id in 1..<16 where sink.pointee.extensions[id] != 0 && Int(sink.pointee.extensions[id]) != id {
      return .failure(KernelRefusal(reason: "a sink needs header extensions rewritten"))
    }
    guard let offset = sink.pointee.numbering.settledOffset else {
      return .failure(KernelRefusal(reason: "a sink's pause ends with the next packet", isPassing: true))
    }
    return .success(
      KernelSink(
        id: sink.pointee.id, transport: transport.pointee.id, ssrc: sink.pointee.ssrc,
        payloadTypes: (0..<128).map { sink.pointee.payloadTypes[$0] }, sequenceOffset: offset,
        timestampOffset: sink.pointee.timestampOffset))
  }

  /// Goes on from where the kernel is with a source, if there still is one.
  public mutating func absorb(_ counts: KernelSourceCounts, of id: SourceID) {
    totals.received.add(.kernel, packets: counts.packets, bytes: counts.bytes)
    guard let slot = streamsByID[id] else { return }
    let stream = streams[slot]
    stream.pointee.statistics.rateLimited &+= counts.rateLimited
    guard counts.packets > 0 else { return }
    let base = UInt64(StreamSlot.clearRollovers) << 16
    if stream.pointee.statistics.packets == 0 {
      stream.pointee.statistics.firstSequence = counts.firstSequence &- UInt32(truncatingIfNeeded: base)
    }
    // Nobody sent what a restart of the source left out: were it in the range, receiver reports would call it lost. The
    // range only counts by its length, so it may as well be taken off at its start.
    stream.pointee.statistics.firstSequence &+= counts.skipped
    if stream.pointee.inbound.isEmpty {
      stream.pointee.inbound.record(UInt64(counts.highestSequence))
    } else {
      let known = stream.pointee.inbound.highest
      let ahead = Int32(bitPattern: counts.highestSequence &- UInt32(truncatingIfNeeded: known))
      if ahead > 0 { stream.pointee.inbound.record(known &+ UInt64(ahead)) }
    }
    stream.pointee.statistics.highestSequence = UInt32(truncatingIfNeeded: stream.pointee.inbound.highest &- base)
    stream.pointee.statistics.packets &+= counts.packets
    stream.pointee.statistics.packetsOnKernel &+= counts.packets
    stream.pointee.statistics.bytes &+= counts.bytes
    stream.pointee.statistics.lastArrival = max(stream.pointee.statistics.lastArrival, counts.lastArrival)
    stream.pointee.statistics.lane = .kernel
    stream.pointee.jitter.scaled = counts.jitter
    stream.pointee.jitter.lastTransit = counts.transit
    stream.pointee.statistics.jitter = stream.pointee.jitter.value
  }

  /// The sink goes on from the source's highest packet, which the kernel sent it. After the source's counts.
  public mutating func absorb(_ counts: KernelSinkCounts, of id: SinkID) {
    totals.sent.add(.kernel, packets: counts.packets, bytes: counts.bytes)
    guard counts.packets > 0, let slot = sinksByID[id] else { return }
    let sink = sinks[slot]
    let highest = streams[sink.pointee.stream].pointee.inbound.highest
    if sink.pointee.numbering.settledOffset != nil { _ = sink.pointee.numbering.number(highest) }
    if sink.pointee.statistics.firstSent == nil { sink.pointee.statistics.firstSent = counts.firstSent }
    sink.pointee.statistics.lastSent = max(sink.pointee.statistics.lastSent ?? .zero, counts.lastSent)
    sink.pointee.statistics.packets &+= counts.packets
    sink.pointee.statistics.packetsOnKernel &+= counts.packets
    sink.pointee.statistics.bytes &+= counts.bytes
    sink.pointee.statistics.payloadOctets &+= counts.payloadOctets
    sink.pointee.statistics.lane = .kernel
  }
}
