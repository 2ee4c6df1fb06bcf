import Wire

/// Which sequence numbers of a source were lately asked of its publisher, so that the NACKs of many receivers for one loss
/// become one.
struct NackHistory {
  /// A publisher that has not resent within this time is asked again.
  static let patience = Interval.milliseconds(60)
  private static let capacity = 1024

  private var askedAt: [UInt16: Instant] = [:]

  /// Those of `sequences` that should be asked of the publisher now.
  mutating func admit(_ sequences: [UInt16], now: Instant) -> [UInt16] {
    if askedAt.count > Self.capacity { askedAt = askedAt.filter { now.since($0.value) < Self.patience } }
    guard askedAt.count <= Self.capacity else { return [] }
    return sequences.filter { sequence in
      if let asked = askedAt[sequence], now.since(asked) < Self.patience { return false }
      askedAt[sequence] = now
      return true
    }
  }
}
