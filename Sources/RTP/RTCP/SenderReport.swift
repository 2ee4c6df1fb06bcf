import Wire

/// SR: what a source has sent and when, to set its RTP clock against wall-clock time (RFC 3550 section 6.4.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    RC   |   PT=SR=200   |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         SSRC of sender                        |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |              NTP timestamp, most significant word             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |             NTP timestamp, least significant word             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         RTP timestamp                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     sender's packet count                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      sender's octet count                     |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                    report blocks, 24 bytes each               |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                  profile-specific extensions                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct SenderReport: Hashable, Sendable {
  public var ssrc: UInt32
  public var ntp: NTPTime
  /// The moment of `ntp` on the source's RTP clock.
  public var rtpTimestamp: UInt32
  public var packetCount: UInt32
  /// Payload octets, without headers and padding.
  public var octetCount: UInt32
  /// The first 31 are encoded.
  public var blocks: [ReportBlock]
  public var profileExtensions: [UInt8]

  public init(
    ssrc: UInt32, ntp: NTPTime, rtpTimestamp: UInt32, packetCount: UInt32, octetCount: UInt32,
    blocks: [ReportBlock] = [], profileExtensions: [UInt8] = []
  ) {
    self.ssrc = ssrc
    self.ntp = ntp
    self.rtpTimestamp = rtpTimestamp
    self.packetCount = packetCount
    self.octetCount = octetCount
    self.blocks = blocks
    self.profileExtensions = profileExtensions
  }

  init(_ reader: inout RTCPBodyReader) throws(RTCPError) {
    ssrc = try reader.u32()
    ntp = NTPTime(rawValue: try reader.u64())
    rtpTimestamp = try reader.u32()
    packetCount = try reader.u32()
    octetCount = try reader.u32()
    blocks = reader.list(of: Int(reader.count)) { (reader) throws(RTCPError) in try ReportBlock(from: &reader) }
    profileExtensions = reader.rest()
  }

  var raw: RawRTCPPacket {
    let blocks = blocks.prefix(ReportBlock.maximumCount)
    var writer = ByteWriter(capacity: 24 + blocks.count * 24)
    writer.u32(ssrc)
    writer.u64(ntp.rawValue)
    writer.u32(rtpTimestamp)
    writer.u32(packetCount)
    writer.u32(octetCount)
    for block in blocks { block.encode(into: &writer) }
    writer.append(profileExtensions)
    return RawRTCPPacket(
      count: UInt8(blocks.count), packetType: RTCPPacketType.senderReport, content: writer.bytes)
  }
}
