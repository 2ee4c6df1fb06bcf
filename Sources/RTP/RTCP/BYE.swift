import Wire

/// BYE: sources that end, and why (RFC 3550 section 6.6).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    SC   |   PT=BYE=203  |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           SSRC/CSRC                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     length    |  reason for leaving …    0, to 32 bits        |   optional
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct BYE: Hashable, Sendable {
  /// At most 31.
  public let ssrcs: [UInt32]
  /// At most 255 bytes, UTF-8 by the specification; nil: no reason given.
  public let reasonText: [UInt8]?

  /// Keeps the first 31 sources and the first 255 bytes of the reason.
  public init(ssrcs: [UInt32], reason: String? = nil) {
    self.ssrcs = Array(ssrcs.prefix(31))
    reasonText = reason.map { Array($0.utf8.prefix(255)) }
  }

  /// The reason, for people: invalid UTF-8 repaired.
  public var reason: String? { reasonText.map { String(decoding: $0, as: UTF8.self) } }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    ssrcs = reader.list(of: Int(reader.count)) { (reader) throws(RTCPError) in try reader.u32() }
    reasonText =
      reader.remaining == 0
      ? nil : reader.whole { (reader) throws(RTCPError) in try reader.take(Int(try reader.u8())) }
  }

  var raw: RawRTCPPacket {
    var writer = ByteWriter()
    for ssrc in ssrcs { writer.u32(ssrc) }
    if let reasonText {
      writer.u8(UInt8(reasonText.count))
      writer.append(reasonText)
      writer.pad(to: 4)
    }
    return RawRTCPPacket(count: UInt8(ssrcs.count), packetType: RTCPPacketType.goodbye, content: writer.bytes)
  }
}
