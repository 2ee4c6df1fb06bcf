/// The loss arithmetic of a receiver report (RFC 3550 appendix A.3), between one report and the next.
public struct ReceptionReport: Hashable, Sendable {
  /// Packets there should be since reception began, by sequence number.
  public let expected: UInt64
  /// Packets that came, duplicates included.
  public let received: UInt64
  /// Lost since `previous`, in 1/256 of those expected since; 0 where duplicates outnumber losses.
  public let fractionLost: UInt8
  /// Lost since reception began, within 24 bits with sign.
  public let cumulativeLost: Int32
  public let highestSequence: UInt32

  /// `first` and `highest` are sequence numbers extended by rollovers; `previous` is what was reported last, nil for
  /// the first report.
  public init(first: UInt32, highest: UInt32, received: UInt64, previous: ReceptionReport?) {
    expected = highest >= first ? UInt64(highest - first) + 1 : 0
    self.received = received
    highestSequence = highest
    let lost = Int64(clamping: expected) - Int64(clamping: received)
    cumulativeLost = Int32(min(max(lost, -0x80_0000), 0x7f_ffff))
    let expectedSince = Int64(clamping: expected) - Int64(clamping: previous?.expected ?? 0)
    let receivedSince = Int64(clamping: received) - Int64(clamping: previous?.received ?? 0)
    let lostSince = expectedSince &- receivedSince
    let hasLoss = expectedSince > 0 && lostSince > 0
    fractionLost = hasLoss ? UInt8(clamping: min(lostSince, expectedSince) * 256 / expectedSince) : 0
  }

  /// The block that reports it.
  public func block(
    ssrc: UInt32, jitter: UInt32, lastSenderReport: UInt32 = 0, delaySinceLastSenderReport: UInt32 = 0
  ) -> ReportBlock {
    ReportBlock(
      ssrc: ssrc, fractionLost: fractionLost, cumulativeLost: cumulativeLost, highestSequence: highestSequence,
      jitter: jitter, lastSenderReport: lastSenderReport, delaySinceLastSenderReport: delaySinceLastSenderReport)
  }
}
