import Foundation

enum KernelChecks {
  static func all() -> [Finding] { [version(), typeInformation(), justInTime(), xdpSockets()] }

  private static func version() -> Finding {
    var name = utsname()
    uname(&name)
    let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let numbers = release.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
    let version = (numbers.first ?? 0, numbers.dropFirst().first ?? 0)
    if version < (5, 15) {
      return .missing("kernel", release, remedy: "the fast path needs Linux 5.15 or later (Debian 12 has 6.1)")
    }
    if version < (6, 6) {
      return .note(
        "kernel", "\(release): no TCX links before 6.6, so a stale TC filter is swept at the next start",
        remedy: "nothing to do; a kernel from bookworm-backports has TCX")
    }
    return .ok("kernel", release)
  }

  private static func typeInformation() -> Finding {
    HostFiles.exists("/sys/kernel/btf/vmlinux")
      ? .ok("BTF", "/sys/kernel/btf/vmlinux")
      : .note(
        "BTF", "/sys/kernel/btf/vmlinux is not there",
        remedy: "use a kernel with CONFIG_DEBUG_INFO_BTF=y (Debian's have it)")
  }

  private static func justInTime() -> Finding {
    switch HostFiles.number("/proc/sys/net/core/bpf_jit_enable") {
    case 0: .missing("BPF JIT", "net.core.bpf_jit_enable is 0", remedy: "sysctl -w net.core.bpf_jit_enable=1")
    case nil:
      .note("BPF JIT", "cannot be read here", remedy: "look at net.core.bpf_jit_enable as root, outside containers")
    case let value?: .ok("BPF JIT", "net.core.bpf_jit_enable is \(value)")
    }
  }

  /// Whether the kernel knows AF_XDP (44), which Glibc's module may not name.
  private static func xdpSockets() -> Finding {
    let descriptor = socket(44, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if descriptor >= 0 {
      close(descriptor)
      return .ok("AF_XDP", "sockets can be opened")
    }
    if errno == EPERM {
      return .missing(
        "AF_XDP", "the kernel has it; this user may not use it", remedy: "run with CAP_NET_RAW (see docs/operations.md)"
      )
    }
    return .missing(
      "AF_XDP", String(cString: strerror(errno)), remedy: "use a kernel with CONFIG_XDP_SOCKETS=y (Debian's have it)")
  }
}
