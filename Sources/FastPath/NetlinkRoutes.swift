import Glibc
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
    let length = UInt8(tuple.remote.ip.isV6 ? 128 : 32)
    var request = NetlinkRequest(type: 26 /* RTM_GETROUTE */, flags: 0)
    // struct rtmsg: family, destination and source prefix lengths, tos, table, protocol, scope, type, flags
    request.append(UInt8(tuple.remote.ip.isV6 ? AF_INET6 : AF_INET))
    request.append(length)
    request.append(length)
    for _ in 0..<5 { request.append(UInt8(0)) }
    request.append(UInt32(0))
    request.attribute(1 /* RTA_DST */, tuple.remote.ip.bytes)
    request.attribute(2 /* RTA_SRC */, tuple.local.ip.bytes)
    guard let answer = ask(request).first, answer.type == 24 /* RTM_NEWROUTE */ else { return nil }
    let type = answer.body.dropFirst(7).first
    let attributes = answer.attributes(after: 12)
    // Only to one host (RTN_UNICAST, RTN_LOCAL), and without encapsulation (RTA_ENCAP).
    guard type == 1 || type == 2, attributes[22] == nil, let interface = attributes[4] /* RTA_OIF */ else { return nil }
    let metrics = NetlinkMessage.attributes(in: attributes[8 /* RTA_METRICS */] ?? [])
    return KernelRoute(
      interface: interface.u32(0), gateway: Self.gateway(attributes), mtu: metrics[2 /* RTAX_MTU */].map { Int($0.u32(0)) })
  }

  /// RTA_GATEWAY, or RTA_VIA where the gateway is of the other family.
  private static func gateway(_ attributes: [UInt16: ArraySlice<UInt8>]) -> IPAddress? {
    if let gateway = attributes[5] { return IPAddress(bytes: gateway) }
    return attributes[18].flatMap { IPAddress(bytes: $0.dropFirst(2)) }
  }

  /// nil if the kernel does not know it (yet).
  mutating func neighbour(_ ip: IPAddress, interface: UInt32) -> Neighbour? {
    guard let answer = ask(Self.neighbourRequest(30 /* RTM_GETNEIGH */, flags: 0, ip, interface, useFlag: 0)).first,
      answer.type == 28 /* RTM_NEWNEIGH */
    else { return nil }
    let state = answer.body.u16(8)
    // NUD_REACHABLE, STALE, DELAY, PROBE, NOARP and PERMANENT have an address to use.
    guard state & 0xde != 0, let address = answer.attributes(after: 12)[2] /* NDA_LLADDR */, address.count == 6 else {
      return nil
    }
    return Neighbour(hardwareAddress: Array(address), isStale: state & 0x04 != 0)
  }

  /// Has the kernel find or check a neighbour, as if it had sent to it. What we send itself it does not see.
  func use(_ ip: IPAddress, interface: UInt32) {
    tell(Self.neighbourRequest(28 /* RTM_NEWNEIGH */, flags: 0x400 /* NLM_F_CREATE */, ip, interface, useFlag: 1))
  }

  private static func neighbourRequest(
    _ type: CInt, flags: CInt, _ ip: IPAddress, _ interface: UInt32, useFlag: UInt8
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
    request.attribute(1 /* NDA_DST */, ip.bytes)
    return request
  }
}
