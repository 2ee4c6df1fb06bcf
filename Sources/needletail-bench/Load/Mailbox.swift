import Glibc
import Synchronization

/// Takes commands from any thread to the media thread and wakes it.
final class MediaMailbox: Sendable {
  private let commands = Mutex<[MediaCommand]>([])
  /// Becomes readable when there are commands.
  let readEnd: CInt
  private let writeEnd: CInt

  init() throws {
    var ends: [CInt] = [0, 0]
    guard pipe(&ends) == 0 else { throw BenchFailure("cannot make a pipe") }
    (readEnd, writeEnd) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  func put(_ command: MediaCommand) {
    commands.withLock { $0.append(command) }
    _ = write(writeEnd, [0], 1)
  }

  func take() -> [MediaCommand] {
    var drained = [UInt8](repeating: 0, count: 256)
    while read(readEnd, &drained, drained.count) == drained.count {}
    return commands.withLock { waiting in
      defer { waiting = [] }
      return waiting
    }
  }
}

/// How far everything is: written by the media and control threads, read by the command.
final class LoadProgress: Sendable {
  struct State: Sendable {
    var joined = 0
    var publishersConnected = 0
    var subscribersConnected = 0
    /// Subscribers that have received media.
    var receiving = 0
    var failedPeers = 0
    var window = Window.before
    var result: WindowResult?
    /// Each distinct complaint once, with its count.
    var complaints: [String: Int] = [:]
    var hasStopped = false
  }

  enum Window: Sendable { case before, measuring, over }

  private let state = Mutex(State())

  var current: State { state.withLock { $0 } }

  func update(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func complain(_ text: String) { update { $0.complaints[text, default: 0] += 1 } }
}
