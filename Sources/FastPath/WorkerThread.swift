import CXDP
import Glibc
import Synchronization

/// One thread and its end.
final class WorkerThread: Sendable {
  typealias Started = (FastPathError?) -> Void

  private struct State {
    var identity: UInt
    var isJoined = false
  }

  private let state: Mutex<State>

  /// Starts the thread and waits until `body` has called `started`, with the error if it could not start. The thread's
  /// network namespace is the caller's.
  init(
    name: String, cpu: Int?, log: FastPath.Log, body: @escaping @Sendable (_ started: Started) -> Void
  ) throws(FastPathError) {
    let entry = Entry(name: name, cpu: cpu, body: body)
    var identity = pthread_t()
    let context = Unmanaged.passRetained(entry).toOpaque()
    let error = pthread_create(
      &identity, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<Entry>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, context)
    guard error == 0 else {
      Unmanaged<Entry>.fromOpaque(context).release()
      throw .system(call: "pthread_create", error: error)
    }
    state = Mutex(State(identity: identity))
    if let failure = entry.waitUntilStarted() {
      join()
      throw failure
    }
    if let cpu, !entry.isPinned {
      log("warning", "the worker cannot be bound to processor \(cpu); it runs wherever the kernel puts it", [:])
    }
  }

  var isCurrent: Bool { state.withLock { pthread_equal($0.identity, pthread_self()) != 0 } }

  /// Waits for the end, except on the thread itself.
  func join() {
    guard !isCurrent else { return }
    state.withLock { state in
      guard !state.isJoined else { return }
      pthread_join(state.identity, nil)
      state.isJoined = true
    }
  }

  /// What crosses to the new thread.
  private final class Entry: Sendable {
    private let name: String
    private let cpu: Int?
    private let body: @Sendable (Started) -> Void
    private let outcome = Mutex<(hasStarted: Bool, isPinned: Bool, failure: FastPathError?)>((false, false, nil))
    private let signal: CInt

    init(name: String, cpu: Int?, body: @escaping @Sendable (Started) -> Void) {
      self.name = name
      self.cpu = cpu
      self.body = body
      signal = eventfd(0, CInt(EFD_CLOEXEC))
    }

    deinit { close(signal) }

    var isPinned: Bool { outcome.withLock { $0.isPinned } }

    func run() {
      linux_pthread_setname(pthread_self(), name)
      if let cpu { outcome.withLock { $0.isPinned = Self.pin(to: cpu) } }
      body { failure in
        outcome.withLock { outcome in
          outcome.hasStarted = true
          outcome.failure = failure
        }
        var one: UInt64 = 1
        _ = write(signal, &one, 8)
      }
    }

    func waitUntilStarted() -> FastPathError? {
      while !outcome.withLock({ $0.hasStarted }) {
        var count: UInt64 = 0
        _ = read(signal, &count, 8)
      }
      return outcome.withLock { $0.failure }
    }

    private static func pin(to cpu: Int) -> Bool {
      var set = cpu_set_t()
      let size = MemoryLayout<cpu_set_t>.size
      guard cpu >= 0, cpu < size * 8 else { return false }
      withUnsafeMutableBytes(of: &set) { $0[cpu / 8] |= 1 << (cpu % 8) }
      return linux_pthread_setaffinity(pthread_self(), size, &set) == 0
    }
  }
}
