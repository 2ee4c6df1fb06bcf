import RTP
import Testing
import Wire

@Suite struct ReceptionReportTests {
  @Test func lossBetweenTwoReports() {
    let first = ReceptionReport(first: 100, highest: 199, received: 100, previous: nil)
    #expect(first.fractionLost == 0 && first.cumulativeLost == 0 && first.expected == 100)
    // 25 of the next 100 are lost.
    let second = ReceptionReport(first: 100, highest: 299, received: 175, previous: first)
    #expect(second.fractionLost == 64)
    #expect(second.cumulativeLost == 25)
    let third = ReceptionReport(first: 100, highest: 399, received: 275, previous: second)
    #expect(third.fractionLost == 0 && third.cumulativeLost == 25)
  }

  @Test func duplicatesMakeItNegative() {
    let report = ReceptionReport(first: 0, highest: 9, received: 15, previous: nil)
    #expect(report.fractionLost == 0 && report.cumulativeLost == -5)
  }

  @Test func extremesSaturate() {
    let all = ReceptionReport(first: 0, highest: .max, received: 0, previous: nil)
    #expect(all.fractionLost == 255 && all.cumulativeLost == 0x7f_ffff)
    let none = ReceptionReport(first: 5, highest: 4, received: .max, previous: all)
    #expect(none.fractionLost == 0 && none.cumulativeLost == -0x80_0000)
  }

  @Test func blockCarriesIt() {
    let block = ReceptionReport(first: 1, highest: 4, received: 3, previous: nil)
      .block(ssrc: 9, jitter: 8, lastSenderReport: 7, delaySinceLastSenderReport: 6)
    #expect(
      block
        == ReportBlock(
          ssrc: 9, fractionLost: 64, cumulativeLost: 1, highestSequence: 4, jitter: 8, lastSenderReport: 7,
          delaySinceLastSenderReport: 6))
  }
}

@Suite struct SequenceTests {
  @Test func unwrapsForwardAndBack() {
    var unwrapper = SequenceUnwrapper()
    let extended = [65534, 65535, 0, 65535, 1, 40000, 7232].map { unwrapper.unwrap(UInt16($0)) }
    // From 1 to 40000 is nearer backwards; from there to 7232 it is exactly half the space, which counts as back.
    #expect(extended == [65534, 65535, 65536, 65535, 65537, 40000, 40000 - 32768])
  }

  @Test func beforeTheFirstIsNegative() {
    var unwrapper = SequenceUnwrapper()
    #expect(unwrapper.unwrap(0) == 0)
    #expect(unwrapper.unwrap(65535) == -1)
  }
}

@Suite struct NTPTimeTests {
  @Test func unixEpochAndFraction() {
    #expect(NTPTime(unixNanoseconds: 0).rawValue == 0x83aa_7e80_0000_0000)
    #expect(NTPTime(unixNanoseconds: 1_500_000_000).rawValue == 0x83aa_7e81_8000_0000)
    #expect(NTPTime(Instant(nanoseconds: 2_250_000_000)).rawValue == 0x2_4000_0000)
  }

  @Test func compactIsTheMiddle() { #expect(NTPTime(rawValue: 0x1111_2222_3333_4444).compact == 0x2222_3333) }

  @Test func compactIntervals() {
    #expect(Interval.milliseconds(500).compactNTP == 0x8000)
    #expect(Interval.seconds(65_536).compactNTP == .max)
    #expect(Interval(nanoseconds: 65_535_999_999_999).compactNTP == .max)
    #expect(Interval(compactNTP: 0x1_8000) == .milliseconds(1500))
  }
}
