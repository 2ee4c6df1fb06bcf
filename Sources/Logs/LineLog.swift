import Glibc
import Logging
import Synchronization
import Wire

/// The log of a process: lines of one format to one descriptor, those of one kind within a limit. Nobody who logs waits.
public final class LineLog: Sendable {
  private let format: LineFormat
  private let writer: LineWriter
  private let state: Mutex<(limit: RepetitionLimit, suppressed: UInt64)>

  public init(
    descriptor: Int32, format: LineFormat, capacity: Int = 1 << 19, limit: RepetitionLimit = RepetitionLimit()
  ) {
    self.format = format
    writer = LineWriter(descriptor: descriptor, capacity: capacity) { count in
      format.line(.warning, "\(count) lines dropped", ["reason": "what reads the log is too slow, or gone"])
    }
    state = Mutex((limit: limit, suppressed: 0))
  }

  /// What was not written, since the start.
  public var losses: LogLosses {
    LogLosses(dropped: writer.dropped, suppressed: state.withLock { $0.suppressed })
  }

  /// Lines are of one kind that have one message: what differs is in their metadata.
  func write(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
    let now = Self.now
    let suppressed = state.withLock { state in
      let suppressed = state.limit.admit(message, now: now)
      if suppressed == nil { state.suppressed += 1 }
      return suppressed
    }
    guard let suppressed else { return }
    let count: Logger.Metadata = suppressed > 0 ? ["suppressed": "\(suppressed)"] : [:]
    writer.write(format.line(level, message, metadata.merging(count) { $1 }))
  }

  /// A line as it is, before the process ends for what it says.
  public func write(_ line: String) { writer.write(line) }

  /// Waits until everything is written, for so long at most.
  public func flush(milliseconds: Int) { writer.flush(milliseconds: milliseconds) }

  private static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }
}

/// Lines that a log does not have.
public struct LogLosses: Hashable, Sendable {
  /// For want of room: what reads it was too slow.
  public var dropped: UInt64
  /// Because there were too many of their kind.
  public var suppressed: UInt64

  public init(dropped: UInt64 = 0, suppressed: UInt64 = 0) {
    self.dropped = dropped
    self.suppressed = suppressed
  }
}
