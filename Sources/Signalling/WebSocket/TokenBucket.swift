import NIOCore

/// Admits bursts of `capacity` and `perSecond` in the long run.
struct TokenBucket {
  private static let bytesPerToken = 16384

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

  /// What `bytes` cost: a token for every 16 KiB that they begin, one at least.
  static func tokens(for bytes: Int) -> Int { max(1, (bytes + bytesPerToken - 1) / bytesPerToken) }

  /// Takes what `bytes` cost. What costs more than there is may pass and leaves a debt, so that nothing is too large for a
  /// small bucket.
  mutating func take(bytes: Int = 0, now: NIODeadline) -> Bool {
    let elapsed = Double((now - filledAt).nanoseconds) / 1e9
    tokens = min(capacity, tokens + max(0, elapsed) * perSecond)
    filledAt = now
    guard tokens >= 1 else { return false }
    owe(Self.tokens(for: bytes))
    return true
  }

  /// Takes so many, whether they are there or not.
  mutating func owe(_ count: Int) { tokens -= Double(count) }
}
