import Wire

/// Merges the key-frame requests of all receivers of one source: the first is passed on at once, those within 500 ms of it
/// become one more at the end of that time.
struct KeyFrameRequests {
  static let spacing = Interval.milliseconds(500)

  private var lastSent: Instant?
  private var isWaiting = false

  enum Decision: Equatable { case send, wait }

  /// A receiver needs a key frame.
  mutating func requested(now: Instant) -> Decision {
    guard let lastSent, now.since(lastSent) < Self.spacing else { return send(now) }
    isWaiting = true
    return .wait
  }

  /// Time passed: whether the request that waited is due.
  mutating func isDue(now: Instant) -> Bool {
    guard isWaiting, let lastSent, now.since(lastSent) >= Self.spacing else { return false }
    return send(now) == .send
  }

  private mutating func send(_ now: Instant) -> Decision {
    lastSent = now
    isWaiting = false
    return .send
  }
}
