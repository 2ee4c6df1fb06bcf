import RTP
import Testing
import Wire

@Suite struct LossWindowTests {
  /// A receiver that reports once a second from second 1 on: so many packets expected and lost in each.
  private func window(_ seconds: [(expected: UInt32, lost: Int32)], highest: UInt32 = 0, lost: Int32 = 0) -> LossWindow
  {
    var window = LossWindow()
    var (highest, lost) = (highest, lost)
    for (number, second) in seconds.enumerated() {
      (highest, lost) = (highest &+ second.expected, lost &+ second.lost)
      window.add(highest: highest, lost: lost, at: at(number + 1))
    }
    return window
  }

  private func at(_ second: Int, milliseconds: UInt64 = 0) -> Instant {
    Instant(nanoseconds: UInt64(second) * 1_000_000_000 + milliseconds * 1_000_000)
  }

  @Test func unevenReportsAreASteadyLoss() {
    let losses: [Int32] = [15, 0, 0, 10, 0, 0, 15, 5, 0, 5, 5, 5, 0, 0, 15]
    let window = window([(100, 0)] + losses.map { (100, $0) })
    #expect(window.loss(now: at(16)) == PacketLoss(expected: 1000, lost: 50))
    #expect(window.loss(now: at(16))?.beforeRepair == 0.05)
  }

  @Test func oneReportSaysNothingAndTwoDo() {
    #expect(LossWindow().loss(now: at(1)) == nil)
    #expect(window([(100, 7)]).loss(now: at(1)) == nil)
    #expect(window([(100, 7), (100, 3)]).loss(now: at(2)) == PacketLoss(expected: 100, lost: 3))
  }

  @Test func whatIsOlderThanTheWindowDoesNotCount() {
    let window = window([(100, 0), (100, 100)] + Array(repeating: (100, 0), count: 10))
    #expect(window.loss(now: at(12)) == PacketLoss(expected: 1000, lost: 0))
  }

  @Test func whatIsSilentHasNoLoss() {
    let window = window([(100, 0), (100, 10)])
    #expect(window.loss(now: at(11, milliseconds: 999))?.lost == 10)
    #expect(window.loss(now: at(12)) == nil, "the latest report is too old")
    #expect(self.window([(100, 0), (0, 0)]).loss(now: at(2)) == nil, "nothing was to come")
  }

  @Test func reportsMaySkip() {
    var window = window([(100, 0), (100, 0)])
    window.add(highest: 2000, lost: 180, at: at(20))
    #expect(window.loss(now: at(21)) == PacketLoss(expected: 1800, lost: 180), "since the report before")
    window.add(highest: 2100, lost: 180, at: at(30))
    #expect(window.loss(now: at(30)) == PacketLoss(expected: 100, lost: 0))
    // The latest is kept, and those that stayed out make no window of twenty seconds.
    window.add(highest: 2200, lost: 190, at: at(39))
    #expect(window.loss(now: at(41)) == PacketLoss(expected: 100, lost: 10))
  }

  @Test func numbersMayWrap() {
    let sequence = window([(100, 0), (100, 5)], highest: .max - 150)
    #expect(sequence.loss(now: at(2)) == PacketLoss(expected: 100, lost: 5))
    // Some let the 24 bits wrap rather than stop.
    var lost = LossWindow()
    lost.add(highest: 100, lost: 0x7f_fffd, at: at(1))
    lost.add(highest: 200, lost: -0x7f_fffe, at: at(2))
    #expect(lost.loss(now: at(2)) == PacketLoss(expected: 100, lost: 5))
    var repaired = LossWindow()
    repaired.add(highest: 100, lost: 0, repaired: .max - 1, at: at(1))
    repaired.add(highest: 200, lost: 5, repaired: 2, at: at(2))
    #expect(repaired.loss(now: at(2)) == PacketLoss(expected: 100, lost: 5, repaired: 4))
  }

  @Test func duplicatesMakeItNegative() {
    let loss = window([(100, 0), (100, -30), (100, 10)]).loss(now: at(3))
    #expect(loss == PacketLoss(expected: 200, lost: -20))
    #expect(loss?.beforeRepair == 0 && loss?.afterRepair == 0)
  }

  @Test func aResetBeginsAnew() {
    var window = window([(70_000, 0), (100, 50)])
    window.add(highest: 500, lost: 3, at: at(3))
    #expect(window.loss(now: at(3)) == nil)
    window.add(highest: 600, lost: 4, at: at(4))
    #expect(window.loss(now: at(4)) == PacketLoss(expected: 100, lost: 1))
    window.add(highest: 700, lost: 4, at: at(2))
    #expect(window.loss(now: at(4)) == nil, "time went back")
  }

  @Test func aCountAtItsLimitSaysNothing() {
    for limit: Int32 in [0x7f_ffff, -0x80_0000] {
      var window = LossWindow()
      window.add(ReportBlock(ssrc: 1, cumulativeLost: 5, highestSequence: 100), at: at(1))
      window.add(ReportBlock(ssrc: 1, cumulativeLost: 6, highestSequence: 200), at: at(2))
      #expect(window.loss(now: at(2)) == PacketLoss(expected: 100, lost: 1))
      window.add(ReportBlock(ssrc: 1, cumulativeLost: limit, highestSequence: 300), at: at(3))
      window.add(ReportBlock(ssrc: 1, cumulativeLost: limit, highestSequence: 400), at: at(4))
      #expect(window.loss(now: at(4)) == nil)
    }
  }

  @Test func manyReportsAreOneASecond() {
    var window = LossWindow()
    for n in 0...1500 { window.add(highest: UInt32(n), lost: 0, at: at(n / 100, milliseconds: UInt64(n % 100) * 10)) }
    let loss = window.loss(now: at(15))
    #expect((1000...1100).contains(loss?.expected ?? 0), "\(String(describing: loss))")
  }

  @Test func whatWasRepairedIsNotLostAfterAll() {
    let loss = PacketLoss(expected: 200, lost: 20, repaired: 15)
    #expect(loss.beforeRepair == 0.1 && loss.afterRepair == 0.025)
    #expect(PacketLoss(expected: 200, lost: 20, repaired: 25).afterRepair == 0, "some came twice")
    #expect(PacketLoss(expected: 10, lost: 90).beforeRepair == 1)
    #expect(PacketLoss(expected: 0, lost: 5).beforeRepair == 0)
  }
}
