import NIOCore

/// Admits bursts of `capacity` and `perSecond` in the long run.
struct TokenBucket {
  private static let bytesPerToken = 16384.0

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

  /// Takes a token for every 16 KiB that `bytes` begin, one at least. What costs more than there is may pass and leaves a
  /// debt, so that nothing is too large for a small bucket.
  mutating func take(bytes: Int, now: NIODeadline) -> Bool {
    let elapsed = Double((now - filledAt).nanoseconds) / 1e9
    tokens = min(capacity, tokens + max(0, elapsed) * perSecond)
    filledAt = now
    guard tokens >= 1 else { return false }
    tokens -= max(1, (Double(bytes) / Self.bytesPerToken).rounded(.up))
    return true
  }
}
