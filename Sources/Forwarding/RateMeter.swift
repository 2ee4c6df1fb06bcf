import Wire

/// How many may come of something: in the long run, and at once after a silence.
public struct Rate: Sendable {
  let interval: Interval
  let tolerance: Interval

  public init(perSecond rate: Int, burst: Int) {
    interval = Interval(nanoseconds: 1_000_000_000 / UInt64(max(1, rate)))
    tolerance = Interval(nanoseconds: interval.nanoseconds &* UInt64(max(1, burst) - 1))
  }
}

/// Holds something to a rate: a virtual clock, as in ATM's GCRA.
struct RateMeter {
  /// Until when what came has used up the rate.
  private(set) var busyUntil = Instant.zero

  /// Whether one more is within the rate; counts it if so.
  mutating func admits(_ rate: Rate, now: Instant) -> Bool {
    guard busyUntil.since(now) <= rate.tolerance else { return false }
    busyUntil = max(busyUntil, now).advanced(by: rate.interval)
    return true
  }
}
