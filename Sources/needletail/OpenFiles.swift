import Glibc
import Logging

/// How many descriptors the process may have open at once.
enum OpenFiles {
  /// For what is not a client's connection: sockets, programs and maps of the fast path, the admin API, refusals.
  private static let reserve = 256

  /// Takes all that the process may take, and says when that does not do for `connections`.
  static func allow(_ connections: Int, log: Logger) {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(resource, &limit)
    guard limit.rlim_max < UInt(connections + reserve) else { return }
    log.warning(
      "the limit of open files does not allow for max-connections: those beyond it wait",
      metadata: [
        "limit": "\(limit.rlim_max)", "needed": "\(connections + reserve)",
        "remedy": "ulimit -n, LimitNOFILE= for systemd, or a lower max-connections",
      ])
  }
}
