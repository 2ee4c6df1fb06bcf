import Wire

/// APP: application-defined (RFC 3550 section 6.7).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P| subtype |   PT=APP=204  |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           SSRC/CSRC                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          name (ASCII)                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                   application-dependent data                ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct APP: Hashable, Sendable {
  /// Five bits.
  public let subtype: UInt8
  public var ssrc: UInt32
  /// Four ASCII characters, big-endian.
  public var name: UInt32
  public var data: [UInt8]

  /// Keeps the low five bits of `subtype`.
  public init(subtype: UInt8, ssrc: UInt32, name: UInt32, data: [UInt8]) {
    self.subtype = subtype & 0x1f
    self.ssrc = ssrc
    self.name = name
    self.data = data
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    subtype = reader.count
    ssrc = try reader.u32()
    name = try reader.u32()
    data = reader.rest()
  }

  var raw: RawRTCPPacket {
    var writer = ByteWriter(capacity: 8 + data.count)
    writer.u32(ssrc)
    writer.u32(name)
    writer.append(data)
    return RawRTCPPacket(count: subtype, packetType: RTCPPacketType.applicationDefined, content: writer.bytes)
  }
}
