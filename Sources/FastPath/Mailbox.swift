import CXDP
import Forwarding
import Glibc
import Synchronization

/// The commands on their way to the worker, in order. Bounded: whoever puts too many in waits until the worker has
/// taken some out.
final class Mailbox: Sendable {
  private struct Contents {
    var commands: [FastPathCommand] = []
    var isStopping = false
  }

  private let contents = Mutex(Contents())
  /// Whether `take` would find anything; cheap to ask.
  private let mail = Atomic<Bool>(false)
  /// Readable while there is something to take.
  let wakeUp: CInt
  /// Readable after something was taken.
  private let room: CInt

  static let capacity = 65_536

  init() throws(FastPathError) {
    wakeUp = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
    room = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
    guard wakeUp >= 0, room >= 0 else { throw .system(call: "eventfd", error: errno) }
  }

  deinit {
    close(wakeUp)
    close(room)
  }

  /// Any thread. `mayWait` is false on the worker's own thread, which cannot wait for itself.
  func put(_ commands: [FastPathCommand], mayWait: Bool) {
    var rest = commands[...]
    while !rest.isEmpty {
      let taken = contents.withLock { contents in
        let free = mayWait && !contents.isStopping ? max(0, Self.capacity - contents.commands.count) : rest.count
        let part = rest.prefix(free)
        contents.commands.append(contentsOf: part)
        mail.store(true, ordering: .releasing)
        return part.count
      }
      rest = rest.dropFirst(taken)
      signal(wakeUp)
      if !rest.isEmpty { waitForRoom() }
    }
  }

  func stop() {
    contents.withLock { contents in
      contents.isStopping = true
      mail.store(true, ordering: .releasing)
    }
    signal(wakeUp)
    signal(room)
  }

  /// Whether there is something to take.
  @inline(__always)
  var hasMail: Bool { mail.load(ordering: .acquiring) }

  /// The worker's thread: everything put in so far, and whether to stop.
  func take() -> (commands: [FastPathCommand], isStopping: Bool) {
    var count: UInt64 = 0
    _ = read(wakeUp, &count, 8)
    let taken = contents.withLock { contents in
      defer { contents.commands = [] }
      mail.store(false, ordering: .relaxed)
      return (contents.commands, contents.isStopping)
    }
    signal(room)
    return taken
  }

  private func signal(_ descriptor: CInt) {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  private func waitForRoom() {
    var descriptor = pollfd(fd: room, events: Int16(POLLIN), revents: 0)
    // Several may wait and one alone be woken, hence the bound.
    poll(&descriptor, 1, 10)
    var count: UInt64 = 0
    _ = read(room, &count, 8)
  }
}
