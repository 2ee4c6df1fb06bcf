import CFastPathABI
import Foundation

enum PrivilegeChecks {
  /// Capability numbers of linux/capability.h, and what the fast path needs each for.
  private static let needed: [(name: String, bit: UInt64, reason: String)] = [
    ("CAP_BPF", 39, "loads BPF programs and makes maps"),
    ("CAP_NET_ADMIN", 12, "attaches XDP and TC programs"),
    ("CAP_NET_RAW", 13, "opens AF_XDP sockets"),
    ("CAP_PERFMON", 38, "lets the verifier accept pointer arithmetic"),
  ]

  private static let systemAdministration: UInt64 = 21

  static func all() -> [Finding] {
    let effective = HostFiles.field("CapEff", in: "/proc/self/status").flatMap { UInt64($0, radix: 16) } ?? 0
    let has: (UInt64) -> Bool = { effective >> $0 & 1 == 1 }
    return needed.map { capability in
      // CAP_SYS_ADMIN contains CAP_BPF and CAP_PERFMON.
      if has(capability.bit) || (capability.bit >= 38 && has(systemAdministration)) {
        return .ok(capability.name, "held")
      }
      return .missing(
        capability.name, "not held; \(capability.reason)",
        remedy: "run as root, or let systemd grant it: AmbientCapabilities=\(capability.name)")
    } + [lockedMemory(mayLock: has(14))]
  }

  /// The packet memory is locked once for each interface.
  private static func lockedMemory(mayLock: Bool) -> Finding {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(8), &limit)  // RLIMIT_MEMLOCK
    let text = limit.rlim_cur == .max ? "unlimited" : "\(limit.rlim_cur >> 20) MiB"
    let packetMemory = UInt64(FP_PACKET_FRAMES.rawValue) * UInt64(FP_FRAME_SIZE.rawValue)
    let interfaces = max(1, InterfaceChecks.namesOfThoseUp.count)
    let needed = packetMemory * UInt64(interfaces)
    if mayLock || limit.rlim_cur >= needed {
      return .ok("locked memory", mayLock ? "CAP_IPC_LOCK, limit \(text)" : text)
    }
    return .missing(
      "locked memory",
      "\(text); packet memory needs \(packetMemory >> 20) MiB for each of \(interfaces) interfaces: "
        + "\(needed >> 20) MiB",
      remedy: "ulimit -l unlimited, or LimitMEMLOCK=infinity for systemd")
  }
}
