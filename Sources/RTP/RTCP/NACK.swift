import Wire

/// Generic NACK: packets that a receiver misses (RFC 4585 section 6.2.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=1  |     PT=205    |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of media source                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       packet ID (PID)         | bitmask of the next 16 (BLP)  |   one or more
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct NACK: Hashable, Sendable {
  static let format: UInt8 = 1

  public var senderSSRC: UInt32
  public var mediaSSRC: UInt32
  /// Sequence numbers, in the order in which the PID/BLP pairs name them. Encoded compactly when they ascend,
  /// wraparound included.
  public var lost: [UInt16]

  public init(senderSSRC: UInt32, mediaSSRC: UInt32, lost: [UInt16]) {
    self.senderSSRC = senderSSRC
    self.mediaSSRC = mediaSSRC
    self.lost = lost
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    senderSSRC = try reader.u32()
    mediaSSRC = try reader.u32()
    lost = []
    for pair in reader.list({ (reader) throws(RTCPError) in try reader.u32() }) {
      let packetID = UInt16(truncatingIfNeeded: pair >> 16)
      lost.append(packetID)
      for bit in 0..<UInt16(16) where pair >> bit & 1 == 1 { lost.append(packetID &+ bit &+ 1) }
    }
  }

  var raw: RawRTCPPacket {
    var writer = ByteWriter()
    writer.u32(senderSSRC)
    writer.u32(mediaSSRC)
    var rest = lost[...]
    while let packetID = rest.popFirst() {
      writer.u16(packetID)
      writer.u16(Self.bitmask(after: packetID, taking: &rest))
    }
    return RawRTCPPacket(
      count: Self.format, packetType: RTCPPacketType.transportLayerFeedback, content: writer.bytes)
  }

  /// Takes those that follow `packetID` in ascending order within 16, repetitions of the last one dropped.
  private static func bitmask(after packetID: UInt16, taking rest: inout ArraySlice<UInt16>) -> UInt16 {
    var bitmask: UInt16 = 0
    var last: UInt16 = 0
    while let distance = rest.first.map({ $0 &- packetID }), distance >= last, distance <= 16 {
      if distance > 0 { bitmask |= 1 << (distance - 1) }
      last = distance
      rest.removeFirst()
    }
    return bitmask
  }
}
