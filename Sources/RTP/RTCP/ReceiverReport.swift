import Wire

/// RR: how well each source arrives (RFC 3550 section 6.4.2).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    RC   |   PT=RR=201   |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                    report blocks, 24 bytes each               |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                  profile-specific extensions                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct ReceiverReport: Hashable, Sendable {
  public var ssrc: UInt32
  /// The first 31 are encoded.
  public var blocks: [ReportBlock]
  public var profileExtensions: [UInt8]

  public init(ssrc: UInt32, blocks: [ReportBlock] = [], profileExtensions: [UInt8] = []) {
    self.ssrc = ssrc
    self.blocks = blocks
    self.profileExtensions = profileExtensions
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    ssrc = try reader.u32()
    blocks = reader.list(of: Int(reader.count)) { (reader) throws(RTCPError) in try ReportBlock(from: &reader) }
    profileExtensions = reader.rest()
  }

  var raw: RawRTCPPacket {
    let blocks = blocks.prefix(ReportBlock.maximumCount)
    var writer = ByteWriter(capacity: 4 + blocks.count * 24)
    writer.u32(ssrc)
    for block in blocks { block.encode(into: &writer) }
    writer.append(profileExtensions)
    return RawRTCPPacket(
      count: UInt8(blocks.count), packetType: RTCPPacketType.receiverReport, content: writer.bytes)
  }
}
