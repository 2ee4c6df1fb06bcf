import NIOCore

/// Admits bursts of `capacity` and `perSecond` in the long run.
struct TokenBucket {
  private let capacity: Double
  private let perSecond: Double
  private var tokens: Double
  private var filledAt: NIODeadline

  init(capacity: Int, perSecond: Int, now: NIODeadline) {
    self.capacity = Double(capacity)
    self.perSecond = Double(perSecond)
    tokens = Double(capacity)
    filledAt = now
  }

  mutating func take(now: NIODeadline) -> Bool {
    let elapsed = Double((now - filledAt).nanoseconds) / 1e9
    tokens = min(capacity, tokens + max(0, elapsed) * perSecond)
    filledAt = now
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}
