import NIOCore

/// What one WebSocket client sends, counted as its octets come: against its rate, and before it has joined in all.
struct MessageInput {
  /// For a few joins, each with a token of up to 16 KiB.
  static let beforeJoin = 64 << 10

  private var bucket: TokenBucket
  private var unjoined = 0
  /// Of the frame that is being read, payload that was charged already, and whether it goes beyond the rate.
  private var framed = 0
  private(set) var isTooFast = false
  /// Frames beyond the rate, or 16 KiB of one, without an admitted one between them.
  private(set) var refusedInARow = 0

  init(limits: SignallingLimits, now: NIODeadline) {
    bucket = TokenBucket(capacity: limits.messageBurst, perSecond: limits.messagesPerSecond, now: now)
  }

  /// Whether it brought more than anybody needs to join.
  var isExhausted: Bool { unjoined > Self.beforeJoin }

  mutating func received(_ octets: Int) { unjoined += octets }

  mutating func joined() { unjoined = 0 }

  /// Takes a token for a frame that begins; false if there is none.
  mutating func admitFrame(now: NIODeadline) -> Bool {
    framed = 0
    isTooFast = !bucket.take(now: now)
    refusedInARow = isTooFast ? refusedInARow + 1 : 0
    return !isTooFast
  }

  /// Takes a further token for every 16 KiB that the frame's payload begins beyond the first, as it comes. They may be owed:
  /// nothing is too large for a small bucket.
  mutating func charge(_ octets: Int) {
    let before = TokenBucket.tokens(for: framed)
    framed += octets
    let further = TokenBucket.tokens(for: framed) - before
    guard further > 0 else { return }
    if isTooFast { refusedInARow += further } else { bucket.owe(further) }
  }
}
