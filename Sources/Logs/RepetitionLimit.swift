import Wire

/// What lines of one kind may take of the log: a stranger who makes the server say the same again and again fills neither
/// the disk nor the reader's patience. Each kind has a bucket of `burst` lines that refills with `perSecond`.
public struct RepetitionLimit: Sendable {
  private struct Kind {
    var tokens: Double
    var filledAt: Instant
    /// Lines left out since the last one that was not.
    var suppressed: UInt64 = 0
  }

  private let burst: Double
  private let perSecond: Double
  private var kinds: [String: Kind] = [:]

  /// Of as many kinds at most; all further ones are one.
  private static let maximumKinds = 512

  public init(burst: Int = 1000, perSecond: Double = 10) {
    self.burst = Double(burst)
    self.perSecond = perSecond
  }

  /// Whether a line of this kind may be written: then how many before it were not; else nil.
  public mutating func admit(_ kind: String, now: Instant) -> UInt64? {
    let key = kinds[kind] != nil || kinds.count < Self.maximumKinds ? kind : ""
    var state = kinds[key] ?? Kind(tokens: burst, filledAt: now)
    defer { kinds[key] = state }
    state.tokens = min(burst, state.tokens + now.since(state.filledAt).seconds * perSecond)
    state.filledAt = now
    guard state.tokens >= 1 else {
      state.suppressed += 1
      return nil
    }
    state.tokens -= 1
    defer { state.suppressed = 0 }
    return state.suppressed
  }
}
