import Wire

/// The way to a destination, as the kernel's tables have it.
enum NextHop: Hashable {
  /// By a frame to this neighbour. `interface` is the one the kernel routes to: it may be a VLAN.
  case neighbour(hardwareAddress: [UInt8], interface: UInt32, mtu: Int?)
  /// No frame can be built.
  case unreachable(reason: String)
}

/// Where a way begins and ends: all transports between the same two hosts share it, unless a rule of the host tells ports apart.
private struct HostPair: Hashable {
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
    var users: Int
  }

  private var entries: [FiveTuple: Entry] = [:]
  private var queue: [FiveTuple] = []
  /// Looked up since the tables were last invalidated.
  private var fresh: [HostPair: NextHop] = [:]
  /// Whether ports can lead elsewhere (ip-rule(8), multipath routes).
  private var distinguishesPorts = false

  /// How many are looked up in one turn: about 0.2 ms. What is known of another pair of ports costs little.
  private static let perTurn = 32
  private static let knownPerTurn = 1024

  var isBusy: Bool { !queue.isEmpty }

  /// The way to a new user of the tuple; every `acquire` needs a `release`.
  mutating func acquire(_ tuple: FiveTuple, _ netlink: inout NetlinkSocket, links: [UInt32: Link]) {
    if entries[tuple] != nil {
      entries[tuple]?.users += 1
    } else {
      entries[tuple] = Entry(hop: find(tuple, &netlink, links).hop, users: 1)
    }
  }

  mutating func release(_ tuple: FiveTuple) {
    guard let users = entries[tuple]?.users else { return }
    if users > 1 { entries[tuple]?.users = users - 1 } else { entries[tuple] = nil }
  }

  func hop(_ tuple: FiveTuple) -> NextHop? { entries[tuple]?.hop }

  /// Has every way looked up again, beginning now.
  mutating func invalidate(distinguishesPorts: Bool) {
    self.distinguishesPorts = distinguishesPorts
    fresh = [:]
    queue = Array(entries.keys)
  }

  /// Looks some up again; returns the tuples whose way changed.
  mutating func refresh(_ netlink: inout NetlinkSocket, links: [UInt32: Link]) -> Set<FiveTuple> {
    var changed: Set<FiveTuple> = []
    var (asked, known) = (0, 0)
    while asked < Self.perTurn, known < Self.knownPerTurn, let tuple = queue.popLast() {
      guard let entry = entries[tuple] else { continue }
      let (hop, wasKnown) = find(tuple, &netlink, links)
      if wasKnown { known += 1 } else { asked += 1 }
      guard hop != entry.hop else { continue }
      entries[tuple]?.hop = hop
      changed.insert(tuple)
    }
    return changed
  }

  private mutating func find(
    _ tuple: FiveTuple, _ netlink: inout NetlinkSocket, _ links: [UInt32: Link]
  ) -> (hop: NextHop, wasKnown: Bool) {
    let pair = HostPair(tuple)
    if !distinguishesPorts, let hop = fresh[pair] { return (hop, true) }
    let hop = Self.lookUp(tuple, &netlink, links)
    if !distinguishesPorts { fresh[pair] = hop }
    return (hop, false)
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
