import Wire

/// The shortest of the round trips measured in the last five to ten seconds: what is longer was held up on its way.
public struct RoundTrip: Hashable, Sendable {
  private var current: Interval?
  private var former: Interval?
  private var since = Instant.zero

  private static let period = Interval.seconds(5)

  public init() {}

  /// nil before the first.
  public var value: Interval? {
    guard let current, let former else { return current ?? former }
    return min(current, former)
  }

  public mutating func measured(_ sample: Interval, now: Instant) {
    if now.since(since) >= Self.period {
      former = current
      current = nil
      since = now
    }
    current = min(current ?? sample, sample)
  }
}
