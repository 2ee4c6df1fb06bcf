/// The capabilities (capabilities(7)) that loading and attaching the programs takes.
enum Capabilities {
  private static let needed: [(name: String, bit: UInt64)] = [
    ("CAP_BPF", 39), ("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13), ("CAP_PERFMON", 38),
  ]
  private static let systemAdministration: UInt64 = 21

  /// Those that this process does not hold.
  static var missing: [String] {
    let line = TextFile.read("/proc/thread-self/status")?.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
    let held = line.flatMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) } ?? 0
    return needed.filter { held >> $0.bit & 1 == 0 && !isIncluded($0.bit, held) }.map(\.name)
  }

  /// CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
  private static func isIncluded(_ bit: UInt64, _ held: UInt64) -> Bool {
    bit >= 38 && held >> systemAdministration & 1 == 1
  }

  /// What to do where the kernel says that something is not permitted.
  static var remedy: String {
    let missing = missing
    return missing.isEmpty
      ? "the capabilities are held, but a container's user namespace or seccomp filter, or kernel lockdown, forbids it"
      : "run as root, or grant \(missing.joined(separator: ", "))"
  }
}
