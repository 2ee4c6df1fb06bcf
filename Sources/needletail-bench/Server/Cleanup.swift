import Dispatch
import Glibc
import Synchronization

/// What must be undone however the benchmark ends: normally, by an error, by Ctrl-C or by SIGTERM.
final class Cleanup: Sendable {
  private let steps = Mutex<[@Sendable () -> Void]>([])
  /// Held while steps run, so that a second caller returns only when everything is undone.
  private let running = Mutex(false)

  func add(_ step: @escaping @Sendable () -> Void) { steps.withLock { $0.append(step) } }

  /// Undoes everything, the latest first. A second call does nothing but wait for the first.
  func run() {
    running.withLock { _ in undo() }
  }

  /// After a signal this does not return: what fails then fails because everything is being taken down.
  func waitIfRunning() { running.withLock { _ in } }

  private func undo() {
    let waiting = steps.withLock { steps in
      defer { steps = [] }
      return steps
    }
    for step in waiting.reversed() { step() }
  }

  /// From now on SIGINT, SIGTERM and SIGHUP undo everything and end the process. Keep the result.
  func watchSignals() -> [any DispatchSourceSignal] {
    [SIGINT, SIGTERM, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [self] in
        // Never released: whoever else wants to clean up and report waits for the end.
        running.withLock { _ in
          undo()
          _exit(128 + number)
        }
      }
      source.resume()
      return source
    }
  }
}
