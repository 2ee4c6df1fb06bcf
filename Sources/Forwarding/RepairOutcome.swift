/// What becomes of a packet that a receiver asks for again.
public enum RepairOutcome: String, Hashable, Sendable, CaseIterable {
  /// It is sent again, from the cache.
  case repaired
  /// The worker misses it, too, and has asked the publisher.
  case awaited
  /// It is asked of a sender of clear RTP, whose packets are not kept.
  case passedOn = "passed_on"
  /// It is not one of those that the receiver was lately sent.
  case neverSent = "never_sent"
  /// The receiver asks for more packets than it is sent.
  case tooMany = "too_many"
  /// It was sent again less than a round trip ago.
  case tooSoon = "too_soon"
  /// It was sent again as often as a packet is.
  case tooOften = "too_often"
  /// A key frame was sent since.
  case superseded
  /// It is not kept any more, or never came: a key frame is asked for instead.
  case gone
  /// The receiver was sent too much again for what it was sent at all.
  case overBudget = "over_budget"
  /// The receiver did not negotiate retransmissions: a key frame is asked for instead.
  case notNegotiated = "not_negotiated"
}

extension RepairOutcome {
  /// The position in declaration order.
  @inline(__always)
  fileprivate var ordinal: Int {
    // A payload-free enum of fewer than 256 cases is one byte that counts them in order.
    Int(unsafeBitCast(self, to: UInt8.self))
  }
}

/// How often each came about.
public struct RepairCounts: Sendable {
  /// Room for all of them.
  private var counts = InlineArray<16, UInt64>(repeating: 0)

  public init() {}

  public subscript(outcome: RepairOutcome) -> UInt64 {
    get { counts[outcome.ordinal] }
    set { counts[outcome.ordinal] = newValue }
  }
}

extension RepairCounts: Hashable {
  public static func == (a: RepairCounts, b: RepairCounts) -> Bool {
    RepairOutcome.allCases.allSatisfy { a[$0] == b[$0] }
  }

  public func hash(into hasher: inout Hasher) {
    for outcome in RepairOutcome.allCases { hasher.combine(self[outcome]) }
  }
}
