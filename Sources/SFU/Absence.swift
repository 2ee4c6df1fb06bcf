import Wire

/// Notices that nobody called for a while: a stopped process, a suspended machine, a loop that something held up. What clients
/// sent meanwhile waits in queues, so their silence says nothing until it is read.
struct Absence: Sendable {
  private var lastTick: Instant?
  /// From when on silence counts again.
  private var judgesFrom = Instant.zero

  /// Ticks come more often; those that are so far apart leave room for somebody to seem silent.
  static let shortest = Interval.seconds(2)
  /// How long silence does not count after the return. Browsers check a pair every 6 s at the latest (RFC 7675 section 5.1).
  static let grace = Interval.seconds(10)

  init() {}

  /// A tick; returns how long nobody had called, if that was an absence.
  mutating func ticked(at now: Instant) -> Interval? {
    defer { lastTick = now }
    guard let lastTick, now.since(lastTick) >= Self.shortest else { return nil }
    judgesFrom = now.advanced(by: Self.grace)
    return now.since(lastTick)
  }

  func mayJudge(at now: Instant) -> Bool { now >= judgesFrom }
}
