import Foundation
import Logging
import NIOCore
import Wire

/// How long the inputs of the event loop keep everything else on it waiting: calls, consent, every client. On the event
/// loop only.
public final class LoopTurns {
  private let now: () -> Instant
  private let processorTime: () -> Instant
  private let log: Logger
  public private(set) var times = TurnTimes()
  /// How many inputs are being handled, one within the other.
  private var depth = 0
  /// Work that the input has left to later turns.
  private var deferred = Interval.zero
  /// What must not wait until every connection that has something to say has had its turn: calls that go on.
  public var others: (() -> Void)?
  private var othersAt = Instant.zero
  /// Which part of the turn that goes on took longest.
  private var longest: (part: String, time: Interval)?

  /// From here on a turn is worth a warning. There can be no more than ten of them a second.
  private static let warning = Interval.milliseconds(100)

  /// `now`: a monotonic clock; `processorTime`: what the thread has had of a processor.
  public init(
    log: Logger, now: @escaping () -> Instant = { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) },
    processorTime: @escaping () -> Instant = LoopTurns.threadTime
  ) {
    self.log = log
    self.now = now
    self.processorTime = processorTime
  }

  public static func threadTime() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }

  /// Handles an input. One within another is a part of it: its name says in the warning what took so long.
  public func measure<Result, Failure: Error>(
    _ input: String, _ handle: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let start = now()
    depth += 1
    defer {
      depth -= 1
      ended(input, now().since(start))
    }
    return try handle()
  }

  /// Between two turns of a pass over the connections: lets in what else there is, if that has waited for long.
  package func letOthersIn() {
    guard depth == 0, let others, now().since(othersAt) >= Self.othersWait else { return }
    others()
    othersAt = now()
  }

  private static let othersWait = Interval.milliseconds(5)

  /// What an input costs: the processor's time that `handle` takes, and what it has left to later turns.
  package func work(_ handle: () -> Void) -> Interval {
    let start = processorTime()
    let outer = deferred
    deferred = .zero
    defer { deferred = outer }
    handle()
    return Interval(nanoseconds: processorTime().since(start).nanoseconds + deferred.nanoseconds)
  }

  /// The input that is being handled leaves so much to later turns.
  public func leaves(_ work: Interval) { deferred.nanoseconds += work.nanoseconds }

  private func ended(_ input: String, _ time: Interval) {
    guard depth == 0 else {
      if time > longest?.time ?? .zero { longest = (input, time) }
      return
    }
    defer { longest = nil }
    times.count(time)
    guard time >= Self.warning else { return }
    var metadata: Logger.Metadata = ["input": "\(input)", "milliseconds": "\(time.nanoseconds / 1_000_000)"]
    metadata["longest"] = longest.map { "\($0.part)" }
    log.warning("the event loop was held up", metadata: metadata)
  }
}

/// A histogram of turns.
public struct TurnTimes: Hashable, Sendable {
  /// Seconds.
  public static let bounds: [Double] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.3, 1]
  /// One for each bound and one above.
  public private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
  public private(set) var sum = Interval.zero

  public init() {}

  mutating func count(_ time: Interval) {
    let seconds = time.seconds
    counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
    sum.nanoseconds &+= time.nanoseconds
  }
}
