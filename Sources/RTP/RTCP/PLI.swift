import Wire

/// Picture loss indication: the receiver needs a key frame (RFC 4585 section 6.3.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=1  |     PT=206    |           length=2            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of media source                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct PLI: Hashable, Sendable {
  static let format: UInt8 = 1

  public var senderSSRC: UInt32
  public var mediaSSRC: UInt32

  public init(senderSSRC: UInt32, mediaSSRC: UInt32) {
    self.senderSSRC = senderSSRC
    self.mediaSSRC = mediaSSRC
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    senderSSRC = try reader.u32()
    mediaSSRC = try reader.u32()
  }

  var raw: RawRTCPPacket {
    var writer = ByteWriter(capacity: 8)
    writer.u32(senderSSRC)
    writer.u32(mediaSSRC)
    return RawRTCPPacket(
      count: Self.format, packetType: RTCPPacketType.payloadSpecificFeedback, content: writer.bytes)
  }
}
