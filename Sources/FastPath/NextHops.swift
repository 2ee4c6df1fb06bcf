import Wire

/// The way to a destination, as the kernel's tables have it.
enum NextHop: Hashable {
  /// By a frame to this neighbour. `interface` is the one the kernel routes to: it may be a VLAN.
  case neighbour(hardwareAddress: [UInt8], interface: UInt32, mtu: Int?)
  /// No frame can be built.
  case unreachable(reason: String)
}

/// Where a way begins and ends: all transports between the same two hosts share it.
struct HostPair: Hashable {
  var local: IPAddress
  var remote: IPAddress

  init(_ tuple: FiveTuple) {
    local = tuple.local.ip
    remote = tuple.remote.ip
  }
}

/// The ways to all destinations, looked up in the kernel and looked up again when its tables change. A little at a
/// time, so that packets do not wait for many.
struct NextHops {
  private struct Entry {
    var hop: NextHop
    /// Any tuple of the pair, to ask with.
    var tuple: FiveTuple
    var users: Int
  }

  private var entries: [HostPair: Entry] = [:]
  private var queue: [HostPair] = []

  /// How many are looked up in one turn: about 0.2 ms.
  private static let perTurn = 32

  var isBusy: Bool { !queue.isEmpty }

  /// The way to a new user of the pair; every `acquire` needs a `release`.
  mutating func acquire(
    _ tuple: FiveTuple, _ netlink: inout NetlinkSocket, links: [UInt32: Link]
  ) -> NextHop {
    let pair = HostPair(tuple)
    if let entry = entries[pair] {
      entries[pair]?.users += 1
      return entry.hop
    }
    let hop = Self.lookUp(tuple, &netlink, links)
    entries[pair] = Entry(hop: hop, tuple: tuple, users: 1)
    return hop
  }

  mutating func release(_ tuple: FiveTuple) {
    let pair = HostPair(tuple)
    guard let users = entries[pair]?.users else { return }
    if users > 1 { entries[pair]?.users = users - 1 } else { entries[pair] = nil }
  }

  func hop(_ tuple: FiveTuple) -> NextHop? { entries[HostPair(tuple)]?.hop }

  /// Has every way looked up again, beginning now.
  mutating func invalidate() { queue = Array(entries.keys) }

  /// Looks some up again; returns the pairs whose way changed.
  mutating func refresh(_ netlink: inout NetlinkSocket, links: [UInt32: Link]) -> Set<HostPair> {
    var changed: Set<HostPair> = []
    for _ in 0..<min(Self.perTurn, queue.count) {
      guard let pair = queue.popLast(), let entry = entries[pair] else { continue }
      let hop = Self.lookUp(entry.tuple, &netlink, links)
      guard hop != entry.hop else { continue }
      entries[pair]?.hop = hop
      changed.insert(pair)
    }
    return changed
  }

  private static func lookUp(
    _ tuple: FiveTuple, _ netlink: inout NetlinkSocket, _ links: [UInt32: Link]
  ) -> NextHop {
    guard let route = netlink.route(tuple) else { return .unreachable(reason: "no route to \(tuple.remote.ip)") }
    guard let link = links[route.interface] else { return .unreachable(reason: "the route's interface is unknown") }
    if link.isLoopback {
      return .neighbour(hardwareAddress: [UInt8](repeating: 0, count: 6), interface: link.index, mtu: route.mtu)
    }
    if let group = tuple.remote.ip.groupHardwareAddress {
      return .neighbour(hardwareAddress: group, interface: link.index, mtu: route.mtu)
    }
    let gateway = route.gateway ?? tuple.remote.ip
    guard let neighbour = netlink.neighbour(gateway, interface: link.index) else {
      netlink.use(gateway, interface: link.index)
      return .unreachable(reason: "\(link.name): the link-layer address of \(gateway) is not known yet")
    }
    if neighbour.isStale { netlink.use(gateway, interface: link.index) }
    return .neighbour(hardwareAddress: neighbour.hardwareAddress, interface: link.index, mtu: route.mtu)
  }
}
