import CXDP
import Glibc
import Netlink
import Wire

/// The kernel's way to an address (RTM_GETROUTE).
struct KernelRoute: Hashable {
  var interface: UInt32
  /// nil: the destination is on the link.
  var gateway: IPAddress?
  /// The path's MTU where the kernel knows one below the interface's.
  var mtu: Int?
}

/// A neighbour's link-layer address (RTM_GETNEIGH).
struct Neighbour: Hashable {
  var hardwareAddress: [UInt8]
  /// Not confirmed lately: the kernel should check it.
  var isStale: Bool
}

extension NetlinkSocket {
  /// The route that a datagram of this tuple takes; nil if there is none, or none that a frame can be built for.
  mutating func route(_ tuple: FiveTuple) -> KernelRoute? {
    let request = Self.routeRequest(to: tuple.remote, from: tuple.local.ip, port: tuple.local.port)
    guard let answer = ask(request).first, answer.type == RTM_NEWROUTE else { return nil }
    let type = answer.body.dropFirst(7).first
    let attributes = answer.attributes(after: 12)
    // To a host or a group, and without encapsulation.
    guard let type, Self.usableTypes.contains(type), attributes[Int(RTA_ENCAP.rawValue)] == nil,
      let interface = attributes[Int(RTA_OIF.rawValue)]
    else { return nil }
    let metrics = NetlinkMessage.attributes(in: attributes[Int(RTA_METRICS.rawValue)] ?? [])
    return KernelRoute(
      interface: interface.u32(0), gateway: Self.gateway(attributes),
      mtu: metrics[RTAX_MTU].map { Int($0.u32(0)) })
  }

  /// The address of ours that a datagram from our port `port` to `remote` leaves from; nil if there is no route.
  mutating func preferredSource(to remote: SocketAddress, port: UInt16) -> IPAddress? {
    let request = Self.routeRequest(to: remote, from: nil, port: port)
    guard let answer = ask(request).first, answer.type == RTM_NEWROUTE else { return nil }
    return answer.attributes(after: 12)[Int(RTA_PREFSRC.rawValue)].flatMap { IPAddress(bytes: $0) }
  }

  private static func routeRequest(to remote: SocketAddress, from local: IPAddress?, port: UInt16) -> NetlinkRequest {
    let length = UInt8(remote.ip.isV6 ? 128 : 32)
    var request = NetlinkRequest(type: RTM_GETROUTE, flags: 0)
    // struct rtmsg: family, destination and source prefix lengths, tos, table, protocol, scope, type, flags
    request.append(UInt8(remote.ip.isV6 ? AF_INET6 : AF_INET))
    request.append(length)
    request.append(local == nil ? 0 : length)
    for _ in 0..<5 { request.append(UInt8(0)) }
    request.append(UInt32(0))
    request.attribute(Int(RTA_DST.rawValue), remote.ip.bytes)
    if let local { request.attribute(Int(RTA_SRC.rawValue), local.bytes) }
    // Rules and multipath routes may look at them (ip-rule(8)).
    request.attribute(Int(RTA_IP_PROTO.rawValue), [17])
    request.attribute(Int(RTA_SPORT.rawValue), octets(port))
    request.attribute(Int(RTA_DPORT.rawValue), octets(remote.port))
    return request
  }

  /// In network order.
  private static func octets(_ port: UInt16) -> [UInt8] { withUnsafeBytes(of: port.bigEndian, Array.init) }

  /// Whether the way between two hosts can differ from port to port: by a rule, or because multipath routes look at them.
  mutating func distinguishesPorts() -> Bool {
    let policies = ["ipv4", "ipv6"].map { TextFile.read("/proc/sys/net/\($0)/fib_multipath_hash_policy") }
    if policies.contains(where: { $0.map { !$0.hasPrefix("0") } ?? false }) { return true }
    return ask(RoutingRule.request, isDump: true).contains(where: RoutingRule.distinguishesPorts)
  }

  private static let usableTypes: Set<UInt8> = [UInt8(RTN_UNICAST), UInt8(RTN_LOCAL), UInt8(RTN_MULTICAST)]

  /// Int(RTA_GATEWAY.rawValue), or Int(RTA_VIA.rawValue) where the gateway is of the other family.
  private static func gateway(_ attributes: [Int: ArraySlice<UInt8>]) -> IPAddress? {
    if let gateway = attributes[Int(RTA_GATEWAY.rawValue)] { return IPAddress(bytes: gateway) }
    return attributes[Int(RTA_VIA.rawValue)].flatMap { IPAddress(bytes: $0.dropFirst(2)) }
  }

  /// nil if the kernel does not know it (yet).
  mutating func neighbour(_ ip: IPAddress, interface: UInt32) -> Neighbour? {
    guard let answer = ask(Self.neighbourRequest(RTM_GETNEIGH, flags: 0, ip, interface, useFlag: 0)).first,
      answer.type == RTM_NEWNEIGH
    else { return nil }
    let state = answer.body.u16(8)
    // NUD_REACHABLE, STALE, DELAY, PROBE, NOARP and PERMANENT have an address to use.
    guard state & 0xde != 0, let address = answer.attributes(after: 12)[NDA_LLADDR], address.count == 6 else {
      return nil
    }
    return Neighbour(hardwareAddress: Array(address), isStale: state & 0x04 != 0)
  }

  /// Has the kernel find or check a neighbour, as if it had sent to it. What we send itself it does not see.
  func use(_ ip: IPAddress, interface: UInt32) {
    tell(Self.neighbourRequest(RTM_NEWNEIGH, flags: NLM_F_CREATE, ip, interface, useFlag: 1))
  }

  private static func neighbourRequest(
    _ type: Int, flags: CInt, _ ip: IPAddress, _ interface: UInt32, useFlag: UInt8
  ) -> NetlinkRequest {
    var request = NetlinkRequest(type: type, flags: flags)
    // struct ndmsg: family, padding, interface, state, flags, type
    request.append(UInt8(ip.isV6 ? AF_INET6 : AF_INET))
    request.append(UInt8(0))
    request.append(UInt16(0))
    request.append(interface)
    request.append(UInt16(0))
    request.append(useFlag)
    request.append(UInt8(0))
    request.attribute(NDA_DST, ip.bytes)
    return request
  }
}
