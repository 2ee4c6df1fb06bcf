import CXDP
import Glibc

/// Runs a shell command; throws with what it was if it fails.
@discardableResult
func shell(_ command: String, mayFail: Bool = false) throws -> Int32 {
  var process = pid_t()
  let words = ["/bin/sh", "-c", command]
  var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
  defer { for word in arguments { free(word) } }
  guard posix_spawn(&process, "/bin/sh", nil, nil, &arguments, environ) == 0 else {
    throw ShellFailure(command: command)
  }
  var status: CInt = 0
  waitpid(process, &status, 0)
  guard status == 0 || mayFail else { throw ShellFailure(command: command) }
  return status
}

struct ShellFailure: Error {
  var command: String
}

/// Two network namespaces with a cable between them: `server` has 10.9.0.1 and fd09::1 on v0, `client` has 10.9.0.2 and
/// fd09::2 on v1. They go with this value. Needs root.
final class Network {
  let server: String
  let client: String

  /// `queues`: of either end; native XDP wants no more send queues at one end than receive queues at the other.
  init(queues: Int = 1) throws {
    let name = "nt\(getpid())-\(UInt16.random(in: 0 ... .max))"
    server = name + "s"
    client = name + "c"
    try shell(
      """
      set -e
      ip netns add \(server); ip netns add \(client)
      for n in \(server) \(client); do ip -n $n link set lo up; done
      """)
    try addCable("v", subnet: "10.9.0", queues: queues)
    try shell(
      """
      set -e
      ip -n \(server) addr add fd09::1/64 dev v0 nodad; ip -n \(client) addr add fd09::2/64 dev v1 nodad
      """)
  }

  /// Another cable: the server has `subnet`.1 on `name`0, the client `subnet`.2 on `name`1.
  func addCable(_ name: String, subnet: String, queues: Int = 1) throws {
    try shell(
      """
      set -e
      ip link add \(name)0 netns \(server) numrxqueues \(queues) numtxqueues \(queues) type veth \
        peer name \(name)1 netns \(client) numrxqueues \(queues) numtxqueues \(queues)
      ip -n \(server) addr add \(subnet).1/24 dev \(name)0; ip -n \(client) addr add \(subnet).2/24 dev \(name)1
      ip -n \(server) link set \(name)0 up; ip -n \(client) link set \(name)1 up
      """)
  }

  /// Whether this kernel can make VLAN interfaces.
  static let hasVLANs: Bool = {
    guard let network = try? Network() else { return false }
    return (try? shell("ip -n \(network.server) link add link v0 name v0.9 type vlan id 9 2>/dev/null", mayFail: true))
      == 0
  }()

  deinit { _ = try? shell("ip netns del \(server); ip netns del \(client)", mayFail: true) }

  /// Runs `body` in the server's namespace: sockets and threads that it makes stay there.
  func onServer<R>(_ body: () throws -> R) throws -> R { try Self.inside(server, body) }
  func onClient<R>(_ body: () throws -> R) throws -> R { try Self.inside(client, body) }

  /// Not across a suspension: a namespace belongs to the thread.
  private static func inside<R>(_ namespace: String, _ body: () throws -> R) throws -> R {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    let there = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
    defer {
      close(home)
      close(there)
    }
    guard linux_setns(there, CInt(LINUX_CLONE_NEWNET.rawValue)) == 0 else {
      throw ShellFailure(command: "setns \(namespace)")
    }
    defer { _ = linux_setns(home, CInt(LINUX_CLONE_NEWNET.rawValue)) }
    return try body()
  }
}
