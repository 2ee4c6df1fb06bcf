import Wire

/// Transport-wide congestion control feedback: when each packet of a transport arrived
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=15 |     PT=205    |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of media source                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      base sequence number     |      packet status count      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 reference time                | fb pkt. count |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          packet chunk         |         packet chunk          |
/// .                                                               .
/// |         packet chunk          |  recv delta   |  recv delta   |
/// .                                                               .
/// |           recv delta          |  recv delta   |    padding    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// Kept sparse: only arrivals are stored, so that a value is never larger than a few times its packet.
public struct TransportFeedback: Hashable, Sendable {
  static let format: UInt8 = 15
  /// Of deltas: 250 µs.
  public static let deltaUnit = Interval(nanoseconds: 250_000)

  /// One packet that arrived.
  public struct Arrival: Hashable, Sendable {
    public var sequence: UInt16
    /// Since the arrival before it in this feedback, or since the reference time for the first: in 250 µs, negative
    /// if it was overtaken.
    public var delta: Int16

    public init(sequence: UInt16, delta: Int16) {
      self.sequence = sequence
      self.delta = delta
    }
  }

  public var senderSSRC: UInt32
  public var mediaSSRC: UInt32
  public let baseSequence: UInt16
  /// Packets reported on, from `baseSequence` on; at least 1.
  public let packetCount: UInt16
  /// 24 bits, in 64 ms on the receiver's clock, wrapping.
  public let referenceTime: UInt32
  /// Counts feedback packets, wrapping, so that the sender sees lost ones.
  public let feedbackCount: UInt8
  /// By ascending sequence number; those reported on and not here were not received.
  public let arrivals: [Arrival]

  /// nil if `packetCount` is 0 or if `arrivals` do not ascend strictly within it. Keeps the low 24 bits of
  /// `referenceTime`.
  public init?(
    senderSSRC: UInt32, mediaSSRC: UInt32, baseSequence: UInt16, packetCount: UInt16, referenceTime: UInt32,
    feedbackCount: UInt8, arrivals: [Arrival]
  ) {
    let offsets = arrivals.lazy.map { $0.sequence &- baseSequence }
    guard packetCount > 0, offsets.allSatisfy({ $0 < packetCount }),
      zip(offsets, offsets.dropFirst()).allSatisfy({ $0 < $1 })
    else { return nil }
    self.senderSSRC = senderSSRC
    self.mediaSSRC = mediaSSRC
    self.baseSequence = baseSequence
    self.packetCount = packetCount
    self.referenceTime = referenceTime & 0xff_ffff
    self.feedbackCount = feedbackCount
    self.arrivals = arrivals
  }
}

extension TransportFeedback {
  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    senderSSRC = try reader.u32()
    mediaSSRC = try reader.u32()
    baseSequence = try reader.u16()
    packetCount = try reader.u16()
    referenceTime = try reader.u24()
    feedbackCount = try reader.u8()
    guard packetCount > 0 else { throw .emptyFeedback }
    let received = try Self.receivedOffsets(count: Int(packetCount), from: &reader)
    var arrivals: [Arrival] = []
    arrivals.reserveCapacity(received.count)
    for (offset, status) in received {
      let delta = status == .small ? Int16(try reader.u8()) : Int16(bitPattern: try reader.u16())
      arrivals.append(Arrival(sequence: baseSequence &+ offset, delta: delta))
    }
    self.arrivals = arrivals
  }

  /// Reads chunks until they cover `count` packets. Each packet said to be received must still have room for its delta,
  /// which bounds the work by the packet's size.
  private static func receivedOffsets(
    count: Int, from reader: inout RTCPBodyReader
  ) throws(RTCPError) -> [(offset: UInt16, status: PacketStatus)] {
    var received: [(offset: UInt16, status: PacketStatus)] = []
    var covered = 0
    while covered < count {
      let chunk = PacketStatusChunk(rawValue: try reader.u16())
      let length = min(chunk.count, count - covered)
      let isGap = chunk.isRun && chunk.status(at: 0) == .notReceived
      for index in 0..<(isGap ? 0 : length) {
        let status = chunk.status(at: index)
        if status == .reserved { throw .reservedStatusSymbol }
        guard status != .notReceived else { continue }
        guard received.count < reader.remaining else {
          throw .truncatedBody(packetType: RTCPPacketType.transportLayerFeedback)
        }
        received.append((UInt16(covered + index), status))
      }
      covered += length
    }
    return received
  }

  var raw: RawRTCPPacket {
    var writer = ByteWriter(capacity: 64 + arrivals.count * 2)
    writer.u32(senderSSRC)
    writer.u32(mediaSSRC)
    writer.u16(baseSequence)
    writer.u16(packetCount)
    writer.u24(referenceTime)
    writer.u8(feedbackCount)
    for chunk in PacketStatusChunk.chunks(of: statuses) { writer.u16(chunk.rawValue) }
    for arrival in arrivals {
      if PacketStatus(delta: arrival.delta) == .small {
        writer.u8(UInt8(truncatingIfNeeded: arrival.delta))
      } else {
        writer.u16(UInt16(bitPattern: arrival.delta))
      }
    }
    return RawRTCPPacket(
      count: Self.format, packetType: RTCPPacketType.transportLayerFeedback, content: writer.bytes)
  }

  private var statuses: [PacketStatus] {
    var statuses = [PacketStatus](repeating: .notReceived, count: Int(packetCount))
    for arrival in arrivals {
      statuses[Int(arrival.sequence &- baseSequence)] = PacketStatus(delta: arrival.delta)
    }
    return statuses
  }
}
