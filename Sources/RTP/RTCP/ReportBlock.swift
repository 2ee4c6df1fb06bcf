import Wire

/// What a receiver says about one source, in sender and receiver reports (RFC 3550 section 6.4.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                 SSRC of the source reported on                |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | fraction lost |       cumulative number of packets lost       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           extended highest sequence number received           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      interarrival jitter                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         last SR (LSR)                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                   delay since last SR (DLSR)                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct ReportBlock: Hashable, Sendable {
  /// How many blocks one report can carry: the count has five bits.
  public static let maximumCount = 31

  public var ssrc: UInt32
  /// Packets lost since the last report, in 1/256 of those expected.
  public var fractionLost: UInt8
  /// Packets lost since reception began; negative where duplicates outnumber losses. Encoded in 24 bits, saturating.
  public var cumulativeLost: Int32
  /// Highest sequence number received, rollovers in the upper 16 bits.
  public var highestSequence: UInt32
  /// In RTP timestamp units.
  public var jitter: UInt32
  /// Middle 32 bits of the last sender report's NTP time; 0 if none came yet.
  public var lastSenderReport: UInt32
  /// Since that report arrived, in 1/65536 s; 0 if none came yet.
  public var delaySinceLastSenderReport: UInt32

  public init(
    ssrc: UInt32, fractionLost: UInt8 = 0, cumulativeLost: Int32 = 0, highestSequence: UInt32 = 0, jitter: UInt32 = 0,
    lastSenderReport: UInt32 = 0, delaySinceLastSenderReport: UInt32 = 0
  ) {
    self.ssrc = ssrc
    self.fractionLost = fractionLost
    self.cumulativeLost = cumulativeLost
    self.highestSequence = highestSequence
    self.jitter = jitter
    self.lastSenderReport = lastSenderReport
    self.delaySinceLastSenderReport = delaySinceLastSenderReport
  }

  init(from reader: inout RTCPBodyReader) throws(RTCPError) {
    ssrc = try reader.u32()
    fractionLost = try reader.u8()
    // Shifted up and down again to carry the sign of the 24 bits.
    cumulativeLost = Int32(bitPattern: try reader.u24() << 8) >> 8
    highestSequence = try reader.u32()
    jitter = try reader.u32()
    lastSenderReport = try reader.u32()
    delaySinceLastSenderReport = try reader.u32()
  }

  func encode(into writer: inout ByteWriter) {
    writer.u32(ssrc)
    writer.u8(fractionLost)
    writer.u24(UInt32(bitPattern: min(max(cumulativeLost, -0x80_0000), 0x7f_ffff)))
    writer.u32(highestSequence)
    writer.u32(jitter)
    writer.u32(lastSenderReport)
    writer.u32(delaySinceLastSenderReport)
  }
}
