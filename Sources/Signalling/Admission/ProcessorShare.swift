import NIOCore
import Wire

/// How much of the event loop one client may have: an eighth in the long run, half a second of work at once (the generic
/// cell rate algorithm). What its inputs took is paid back by not reading what it sends next, so that nothing is lost and
/// nobody else waits.
package struct ProcessorShare {
  /// Time that a second of work is worth.
  private static let price: Int64 = 8
  private static let tolerance = TimeAmount.seconds(4)
  /// Beyond which nothing is owed: a client that is not read for longer would seem to be gone.
  private static let longestPause = TimeAmount.seconds(5)

  /// When everything is paid.
  private var due = NIODeadline.uptimeNanoseconds(0)

  package init() {}

  package mutating func spent(_ work: Interval, now: NIODeadline) {
    let worth = TimeAmount.nanoseconds(Int64(min(work.nanoseconds, 60_000_000_000)) * Self.price)
    due = min(max(due, now) + worth, now + Self.tolerance + Self.longestPause)
  }

  /// How long nothing is to be read.
  package func pause(now: NIODeadline) -> TimeAmount { max(.zero, due - now - Self.tolerance) }

  /// How long it would take to pay everything.
  package func debt(now: NIODeadline) -> TimeAmount { max(.zero, due - now) }
}
