import Glibc

/// SIGINT and SIGTERM, which would otherwise end a command before it has written or said all it has.
struct Interruptions {
  private var signals = sigset_t()

  init() {
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  /// Whether one came within the time.
  func wait(milliseconds: Int) -> Bool {
    var signals = signals
    var time = timespec(tv_sec: 0, tv_nsec: milliseconds * 1_000_000)
    return sigtimedwait(&signals, nil, &time) > 0
  }
}
