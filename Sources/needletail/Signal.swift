import Glibc

/// The signals that the main thread alone takes.
enum Signal: String {
  case interrupt = "SIGINT"
  case terminate = "SIGTERM"
  case hangUp = "SIGHUP"

  private static var all: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGINT)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGHUP)
    return set
  }

  /// Holds them back in this thread and in every thread it starts from now on. A broken pipe is an error code.
  static func block() {
    signal(SIGPIPE, SIG_IGN)
    var set = all
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Waits for the next one.
  static func wait() -> Signal {
    var set = all
    var number: Int32 = 0
    while sigwait(&set, &number) != 0 {}
    switch number {
    case SIGINT: return .interrupt
    case SIGTERM: return .terminate
    default: return .hangUp
    }
  }
}
