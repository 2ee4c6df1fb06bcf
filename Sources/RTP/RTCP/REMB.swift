import Wire

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 section 2.2).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P| FMT=15  |     PT=206    |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |               SSRC of media source, not used: 0               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 unique identifier 'R' 'E' 'M' 'B'             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   num SSRC    |   BR exp  |            BR mantissa            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         SSRC feedback …                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct REMB: Hashable, Sendable {
  /// Application-layer feedback; "REMB" tells it from the others.
  static let format: UInt8 = 15
  private static let identifier: UInt32 = 0x5245_4d42

  public var senderSSRC: UInt32
  /// Bits per second. Encoded rounded down to 18 significant bits; saturates at `UInt64.max` when decoded.
  public var bitrate: UInt64
  /// The sources it is shared by. The first 255 are encoded.
  public var ssrcs: [UInt32]

  public init(senderSSRC: UInt32, bitrate: UInt64, ssrcs: [UInt32]) {
    self.senderSSRC = senderSSRC
    self.bitrate = bitrate
    self.ssrcs = ssrcs
  }

  static func isREMB(_ raw: RawRTCPPacket) -> Bool {
    var reader = ByteReader(raw.content)
    return reader.advance(by: 8) && reader.u32() == identifier
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    senderSSRC = try reader.u32()
    _ = try reader.u32()
    _ = try reader.u32()
    let count = try reader.u8()
    let word = try reader.u24()
    let exponent = word >> 18
    let mantissa = UInt64(word & 0x3ffff)
    // Shifted there and back it is the same only if nothing fell out at the top.
    bitrate = (mantissa << exponent) >> exponent == mantissa ? mantissa << exponent : .max
    ssrcs = reader.list(of: Int(count)) { (reader) throws(RTCPError) in try reader.u32() }
  }

  var raw: RawRTCPPacket {
    let ssrcs = ssrcs.prefix(255)
    var writer = ByteWriter(capacity: 16 + ssrcs.count * 4)
    let exponent = UInt32(max(0, 46 - bitrate.leadingZeroBitCount))
    writer.u32(senderSSRC)
    writer.u32(0)
    writer.u32(Self.identifier)
    writer.u8(UInt8(ssrcs.count))
    writer.u24(exponent << 18 | UInt32(truncatingIfNeeded: bitrate >> exponent))
    for ssrc in ssrcs { writer.u32(ssrc) }
    return RawRTCPPacket(
      count: Self.format, packetType: RTCPPacketType.payloadSpecificFeedback, content: writer.bytes)
  }
}
