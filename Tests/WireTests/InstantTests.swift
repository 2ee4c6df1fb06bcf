import Testing
import Wire

@Suite struct InstantTests {
  @Test func timeNeverRunsBackwardsOrOverflows() {
    let start = Instant(nanoseconds: 5)
    #expect(start.advanced(by: .seconds(1)).since(start) == .seconds(1))
    #expect(start.since(start.advanced(by: .seconds(1))) == .zero)
    #expect(Instant(nanoseconds: .max).advanced(by: .seconds(1)).nanoseconds == .max)
  }
}
