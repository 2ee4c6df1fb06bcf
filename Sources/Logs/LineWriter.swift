import Foundation
import Synchronization

/// Writes lines to a descriptor from a thread of its own: who has something to say never waits for a reader that has
/// stopped reading. What finds no room meanwhile is dropped and counted, and the drop is said when there is room again.
/// (O_NONBLOCK would hold for every process that shares the descriptor.) Any thread.
public final class LineWriter: Sendable {
  private struct State {
    var lines: [[UInt8]] = []
    /// Octets that `lines` take.
    var size = 0
    /// Lines that found no room, or that the descriptor did not take: since that was last said, and ever.
    var untold: UInt64 = 0
    var dropped: UInt64 = 0
    var isWriting = false
    var flushes = 0

    var isIdle: Bool { lines.isEmpty && untold == 0 && !isWriting }
  }

  private let descriptor: Int32
  private let capacity: Int
  private let dropNotice: @Sendable (UInt64) -> String
  private let state = Mutex(State())
  private let work = DispatchSemaphore(value: 0)
  private let idle = DispatchSemaphore(value: 0)

  /// What an array takes besides its elements.
  private static let overhead = 48

  /// `capacity`: octets that may wait, and as many more that are being written. `dropNotice` says that so many lines were
  /// dropped.
  public init(
    descriptor: Int32, capacity: Int = 1 << 19,
    dropNotice: @escaping @Sendable (UInt64) -> String = { "\($0) lines dropped" }
  ) {
    self.descriptor = descriptor
    self.capacity = capacity
    self.dropNotice = dropNotice
    let thread = Thread { [self] in while true { writeWhatWaits() } }
    thread.name = "log"
    thread.start()
  }

  /// Lines dropped since the start.
  public var dropped: UInt64 { state.withLock { $0.dropped } }

  /// Never blocks. A line break is added.
  public func write(_ line: String) {
    let line = Array(line.utf8) + [UInt8(ascii: "\n")]
    let isFirst = state.withLock { state in
      guard state.size + line.count + Self.overhead <= capacity else {
        state.untold += 1
        state.dropped += 1
        return false
      }
      state.lines.append(line)
      state.size += line.count + Self.overhead
      return state.lines.count == 1
    }
    if isFirst { work.signal() }
  }

  /// Waits until everything is written, for so long at most: before the process ends.
  public func flush(milliseconds: Int) {
    let isIdle = state.withLock { state in
      if !state.isIdle { state.flushes += 1 }
      return state.isIdle
    }
    if !isIdle { _ = idle.wait(timeout: .now() + .milliseconds(milliseconds)) }
  }

  // MARK: The thread

  private func writeWhatWaits() {
    work.wait()
    let (lines, untold) = state.withLock { state in
      defer { (state.lines, state.size, state.untold, state.isWriting) = ([], 0, 0, true) }
      return (state.lines, state.untold)
    }
    var lost = lines.count { !put($0) }
    if untold > 0, !put(Array((dropNotice(untold) + "\n").utf8)) { lost += 1 }
    finish(lost: UInt64(lost))
  }

  /// Tells who waits that nothing is left. What was dropped while this wrote is said now, if nothing else is.
  private func finish(lost: UInt64) {
    let (flushes, isUntold) = state.withLock { state in
      state.dropped += lost
      state.isWriting = false
      defer { if state.isIdle { state.flushes = 0 } }
      return (state.isIdle ? state.flushes : 0, state.lines.isEmpty && state.untold > 0)
    }
    if isUntold { work.signal() }
    for _ in 0..<flushes { idle.signal() }
  }

  /// False if the descriptor does not take it, as on a full disk, or when the reader is gone.
  private func put(_ line: [UInt8]) -> Bool {
    var rest = line[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0, errno == EAGAIN {
        waitForRoom()
      } else if count == 0 || errno != EINTR {
        return false
      }
    }
    return true
  }

  /// Another process that shares the descriptor may have set O_NONBLOCK.
  private func waitForRoom() {
    var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    _ = poll(&waited, 1, -1)
  }
}
