import Wire

/// Which sequence numbers of a source were lately asked of its publisher, so that the NACKs of many receivers for one loss
/// become one.
struct NackHistory {
  /// A publisher that has not resent within this time is asked again.
  static let patience = Interval.milliseconds(60)

  /// No more than twice what the fast path takes for repairable.
  private var askedAt: [UInt16: Instant] = [:]
  private var sweptAt = Instant.zero

  /// Those of `sequences` that should be asked of the publisher now.
  mutating func admit(_ sequences: [UInt16], now: Instant) -> [UInt16] {
    if now.since(sweptAt) >= Self.patience { sweep(now) }
    return sequences.filter { sequence in
      if let asked = askedAt[sequence], now.since(asked) < Self.patience { return false }
      askedAt[sequence] = now
      return true
    }
  }

  private mutating func sweep(_ now: Instant) {
    askedAt = askedAt.filter { now.since($0.value) < Self.patience }
    sweptAt = now
  }
}
