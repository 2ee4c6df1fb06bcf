import CXDP
import Glibc
import Netlink

/// Programs of this process's control group that see each packet its sockets send, e.g. systemd's IPAddressDeny.
enum ControlGroup {
  private static let unified = "/sys/fs/cgroup"

  static func rules() -> [OutputRule] {
    // Of the hierarchy that has programs: "0::/path".
    guard let line = TextFile.read("/proc/self/cgroup")?.split(separator: "\n").first(where: { $0.hasPrefix("0::") })
    else { return [] }
    let group = open(unified + line.dropFirst(3), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard group >= 0 else { return [] }
    defer { close(group) }
    // Those of the groups above count, too.
    var count: UInt32 = 0
    let flags = UInt32(BPF_F_QUERY_EFFECTIVE)
    guard bpf_prog_query(group, BPF_CGROUP_INET_EGRESS, flags, nil, nil, &count) == 0, count > 0 else { return [] }
    return [OutputRule(.network, name: "a BPF program of the server's control group")]
  }
}
