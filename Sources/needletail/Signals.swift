import Glibc

/// SIGINT and SIGTERM, taken by the main thread alone.
enum Signals {
  private static var stopSignals: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGINT)
    sigaddset(&set, SIGTERM)
    return set
  }

  /// Holds them back in this thread and in every thread it starts from now on. A broken pipe is an error code.
  static func block() {
    signal(SIGPIPE, SIG_IGN)
    var set = stopSignals
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Waits for the next one; returns its name.
  static func wait() -> String {
    var set = stopSignals
    var number: Int32 = 0
    while sigwait(&set, &number) != 0 {}
    return number == SIGINT ? "SIGINT" : "SIGTERM"
  }
}
