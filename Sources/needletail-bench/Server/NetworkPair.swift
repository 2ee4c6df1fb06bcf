import Foundation
import Glibc

/// Two network namespaces joined by a veth pair: the server's end is `eth0`, the client's `peer0`.
///
/// On veth a packet is received on its sender's CPU, at its sender's expense, unless NAPI is threaded. So that each side
/// pays for its own work, both ends have GRO on, which gives them NAPI, and TSO off, without which veth keeps what sockets
/// send away from NAPI. The threads are pinned: the server's to its CPU, where its time is added to the server's; the
/// client's to the client's CPU, at real-time priority, since a veth ring holds only 256 packets and the load client would
/// otherwise keep its own receive thread from emptying it.
struct NetworkPair: Sendable {
  static let serverAddress = "10.77.0.1"
  static let clientAddress = "10.77.0.2"
  static let serverHardwareAddress: [UInt8] = [0x02, 0x4e, 0x54, 0, 0, 1]
  static let clientHardwareAddress: [UInt8] = [0x02, 0x4e, 0x54, 0, 0, 2]
  static let senderNearEnd = "sender0"
  static let senderFarEnd = "sender1"
  private static let prefix = "ntbench-"

  let server: String
  let client: String
  private let threadsBefore: Set<pid_t>

  init(cleanup: Cleanup) throws {
    Self.sweep()
    let id = getpid()
    server = "\(Self.prefix)server-\(id)"
    client = "\(Self.prefix)client-\(id)"
    threadsBefore = Set(Self.napiThreads("eth0") + Self.napiThreads("peer0"))
    let names = [server, client]
    cleanup.add { for name in names { Shell.attempt("ip", "netns", "del", name) } }
    for name in names { try Shell.run("ip", "netns", "add", name) }
    try Shell.run(
      "ip", "link", "add", "eth0", "netns", server, "numrxqueues", "1", "numtxqueues", "1", "type", "veth", "peer",
      "name",
      "peer0", "netns", client, "numrxqueues", "1", "numtxqueues", "1")
    try setUp(server, "eth0", Self.serverAddress, Self.serverHardwareAddress)
    try setUp(client, "peer0", Self.clientAddress, Self.clientHardwareAddress)
  }

  /// Words that run a program in a namespace on one CPU.
  func inServer(cpu: Int, _ words: [String]) -> [String] { Self.words(server, cpu) + words }
  func inClient(cpu: Int, _ words: [String]) -> [String] { Self.words(client, cpu) + words }

  /// The NAPI thread of `eth0`; its processor time belongs to the server.
  var serverThreads: [pid_t] { Self.napiThreads("eth0").filter { !threadsBefore.contains($0) } }

  func pinThreads(serverCPU: Int, clientCPU: Int) throws {
    let clientThreads = Self.napiThreads("peer0").filter { !threadsBefore.contains($0) }
    guard !serverThreads.isEmpty, !clientThreads.isEmpty else {
      throw BenchFailure("veth has no NAPI threads: the kernel may be too old for threaded NAPI (5.12)")
    }
    for thread in serverThreads { try Shell.run("taskset", "-pc", "\(serverCPU)", "\(thread)") }
    for thread in clientThreads {
      try Shell.run("taskset", "-pc", "\(clientCPU)", "\(thread)")
      ThreadPlacement.raisePriority(of: thread)
    }
  }

  /// A second cable, both ends in the client's namespace, for what is to come into the first as XDP frames. Its far end
  /// takes packets off by a timer, hence several at once.
  func addSenderCable() throws {
    Shell.attempt("ip", "-n", client, "link", "del", Self.senderNearEnd)
    try Shell.run(
      "ip", "-n", client, "link", "add", Self.senderNearEnd, "numrxqueues", "1", "numtxqueues", "1", "type", "veth",
      "peer", "name", Self.senderFarEnd, "numrxqueues", "1", "numtxqueues", "1")
    try Shell.run("ip", "-n", client, "link", "set", Self.senderFarEnd, "up")
    try Shell.run("ip", "-n", client, "link", "set", Self.senderNearEnd, "up")
    try coalesce(Self.senderFarEnd, packets: 1000, nanoseconds: 50_000)
  }

  /// Has an interface of the client's namespace take packets off by a timer of `nanoseconds`, and only after that many
  /// times without a packet by interrupt again. 0 for interrupts alone.
  func coalesce(_ interface: String, packets: Int, nanoseconds: Int) throws {
    let settings =
      "cd /sys/class/net/\(interface) && echo \(packets) > napi_defer_hard_irqs && echo \(nanoseconds) > gro_flush_timeout"
    try Shell.run("ip", "netns", "exec", client, "sh", "-c", settings)
  }

  private static func words(_ namespace: String, _ cpu: Int) -> [String] {
    ["ip", "netns", "exec", namespace, "taskset", "-c", "\(cpu)"]
  }

  private func setUp(_ namespace: String, _ interface: String, _ address: String, _ hardware: [UInt8]) throws {
    let hardwareText = hardware.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: ":")
    try Shell.run("ip", "-n", namespace, "link", "set", interface, "address", hardwareText)
    try Shell.run("ip", "-n", namespace, "link", "set", "lo", "up")
    try Shell.run("ip", "-n", namespace, "addr", "add", "\(address)/24", "dev", interface)
    try Shell.run(
      "ip", "netns", "exec", namespace, "ethtool", "-K", interface, "gro", "on", "tso", "off", "tx-udp-segmentation",
      "off")
    try Shell.run("ip", "-n", namespace, "link", "set", interface, "up")
    try Shell.run(
      "ip", "netns", "exec", namespace, "sh", "-c", "echo 1 > /sys/class/net/\(interface)/threaded")
  }

  private static func napiThreads(_ interface: String) -> [pid_t] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap { pid_t($0) }.filter {
      textFile("/proc/\($0)/comm")?.hasPrefix("napi/\(interface)-") == true
    }
  }

  /// Removes what a killed benchmark left behind.
  private static func sweep() {
    for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
    where entry.hasPrefix(prefix) {
      guard let id = entry.split(separator: "-").last.flatMap({ pid_t($0) }), kill(id, 0) != 0 else { continue }
      Shell.attempt("ip", "netns", "del", entry)
    }
  }
}
