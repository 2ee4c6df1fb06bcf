import CXDP
import Glibc
import Netlink
import Wire

/// What packets meet on their way out of the host, read again when it changes: nftables and iptables, queueing disciplines,
/// programs of others at interfaces.
struct OutputDatabase: ~Copyable {
  var rules: OutputRules { OutputRules(chains + legacy + devices) }

  private var chains: [OutputRule] = []
  private var legacy: [OutputRule] = []
  private var devices: [OutputRule] = []
  private var netlink: NetlinkSocket?
  private var monitor: NetlinkSocket?
  /// Readable when chains changed; -1 if there is nobody to tell.
  private(set) var monitorDescriptor: CInt = -1
  private var chainsAreOld = true
  private var devicesAreOld = true
  private var retryDue = Instant.zero
  /// However often they change, reading them takes a tenth of the worker's time at most.
  private var readDue = Instant.zero

  private static let retryInterval = Interval.seconds(5)
  private static let tcxEgress = bpf_attach_type(47)  // BPF_TCX_EGRESS (Linux 6.6), newer than libbpf 1.1

  init() { open() }

  private mutating func open() {
    monitor = NetlinkSocket(groups: FilterChain.groups, protocol: FilterChain.protocolNumber)
    netlink = NetlinkSocket(protocol: FilterChain.protocolNumber)
    if let descriptor = monitor?.descriptor { monitorDescriptor = descriptor }
  }

  /// The queueing disciplines or the interfaces are others.
  mutating func devicesChanged() { devicesAreOld = true }

  /// Catches up; `hasNews` says that the monitor's descriptor is readable. `routing`: a socket to the routing tables. Returns
  /// whether rules are others now.
  mutating func turn(now: Instant, hasNews: Bool, links: [UInt32: Link], _ routing: inout NetlinkSocket) -> Bool {
    if hasNews, let (messages, areLost) = monitor?.notifications() {
      chainsAreOld = chainsAreOld || areLost || messages.contains(where: FilterChain.isChange)
    }
    let isRetry = now >= retryDue
    guard chainsAreOld || devicesAreOld || isRetry, now >= readDue else { return false }
    let before = (chains, legacy, devices)
    let start = Instant.current()
    if chainsAreOld || isRetry { readChains() }
    if devicesAreOld || isRetry { readDevices(links, &routing) }
    if isRetry { legacy = LegacyTables.rules() + ControlGroup.rules() }
    (chainsAreOld, devicesAreOld) = (false, false)
    let end = Instant.current()
    readDue = end.advanced(by: Interval(nanoseconds: end.since(start).nanoseconds * 10))
    if isRetry { retryDue = end.advanced(by: Self.retryInterval) }
    return before != (chains, legacy, devices)
  }

  private mutating func readChains() {
    if netlink == nil { open() }
    do throws(NetlinkRefusal) {
      guard let messages = try netlink?.dump(FilterChain.request) else {
        throw NetlinkRefusal(error: errno)
      }
      let read = messages.map(FilterChain.rules)
      chains = read.contains { $0 == nil } ? [Self.unreadable("not understood")] : read.flatMap { $0 ?? [] }
    } catch {
      // A kernel without nftables, or one that was never asked for it.
      let isMissing = [EPROTONOSUPPORT, EAFNOSUPPORT, EOPNOTSUPP, EINVAL].contains(error.error)
      chains = isMissing ? [] : [Self.unreadable(SystemError.text(error.error))]
    }
  }

  private static func unreadable(_ why: String) -> OutputRule {
    OutputRule(.network, name: "nftables, which cannot be read (\(why))")
  }

  private mutating func readDevices(_ links: [UInt32: Link], _ routing: inout NetlinkSocket) {
    let names = links.mapValues(\.name)
    guard let messages = try? routing.dump(QueueingDiscipline.request) else {
      devices = [OutputRule(.device, name: "queueing disciplines, which cannot be read")]
      return
    }
    devices = []
    var filtering: Set<UInt32> = []
    for message in messages {
      guard let reading = QueueingDiscipline.read(message, names: names) else { continue }
      if let rule = reading.rule { devices.append(rule) }
      if reading.mayFilter { filtering.insert(reading.interface) }
    }
    for link in links.values.sorted(by: { $0.index < $1.index }) {
      if filtering.contains(link.index) {
        let filters = routing.ask(QueueingDiscipline.filtersRequest(link.index), isDump: true)
        if let rule = QueueingDiscipline.rule(filters: filters, on: link.name) { devices.append(rule) }
      }
      if Self.hasProgram(link.index) {
        devices.append(
          OutputRule(.device, interface: link.name, name: "a tc program on the way out of \(link.name)"))
      }
    }
  }

  /// By TCX: we have none there, so it is somebody else's.
  private static func hasProgram(_ interface: UInt32) -> Bool {
    var count: UInt32 = 0
    return bpf_prog_query(CInt(truncatingIfNeeded: interface), tcxEgress, 0, nil, nil, &count) == 0 && count > 0
  }
}
