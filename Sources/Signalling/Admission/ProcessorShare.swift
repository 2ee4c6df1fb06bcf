import NIOCore
import Wire

/// How much of the event loop somebody may have in the long run, and how much work at once (the generic cell rate algorithm).
/// What the inputs took is paid back by not reading what comes next, so that nothing is lost and nobody else waits.
package struct ProcessorShare {
  /// Time that a second of work is worth.
  private let price: Int64
  private let tolerance: TimeAmount
  /// When everything is paid.
  private var due = NIODeadline.uptimeNanoseconds(0)

  /// Beyond which nothing is owed: a client that is not read for longer would seem to be gone.
  private static let longestPause = TimeAmount.seconds(5)

  /// An eighth, and half a second.
  package static var ofConnection: ProcessorShare { ProcessorShare(price: 8, tolerance: .seconds(4)) }
  /// Of all connections of an address: a quarter, and two seconds, in which a class that comes together joins.
  package static var ofNetwork: ProcessorShare { ProcessorShare(price: 4, tolerance: .seconds(8)) }

  private init(price: Int64, tolerance: TimeAmount) {
    self.price = price
    self.tolerance = tolerance
  }

  package mutating func spent(_ work: Interval, now: NIODeadline) {
    let worth = TimeAmount.nanoseconds(Int64(min(work.nanoseconds, 60_000_000_000)) * price)
    due = min(max(due, now) + worth, now + tolerance + Self.longestPause)
  }

  /// How long nothing is to be read.
  package func pause(now: NIODeadline) -> TimeAmount { max(.zero, due - now - tolerance) }

  /// How long it would take to pay everything.
  package func debt(now: NIODeadline) -> TimeAmount { max(.zero, due - now) }
}
