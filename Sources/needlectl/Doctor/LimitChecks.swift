import Foundation

enum LimitChecks {
  static func all() -> [Finding] { [openFiles(), buffer("rmem_max"), buffer("wmem_max")] }

  private static func openFiles() -> Finding {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE
    // The server takes what it may have.
    let text = limit.rlim_max == .max ? "unlimited" : "\(limit.rlim_max)"
    return limit.rlim_max >= 8192
      ? .ok("open files", text)
      : .note(
        "open files", "\(text): as many connections at most",
        remedy: "ulimit -n 65536, or LimitNOFILE=65536 for systemd")
  }

  private static func buffer(_ name: String) -> Finding {
    let check = "net.core.\(name)"
    guard let value = HostFiles.number("/proc/sys/net/core/\(name)") else {
      return .note(check, "cannot be read here", remedy: "set it on the host, outside the container")
    }
    return value >= 4 << 20
      ? .ok(check, "\(value)")
      : .note(check, "\(value): bursts may overflow the socket lane's buffers", remedy: "sysctl -w \(check)=8388608")
  }
}
