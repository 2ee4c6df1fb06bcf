import CXDP
import Glibc
import Netlink

/// A network interface, as the kernel describes it (RTM_NEWLINK).
struct Link: Hashable {
  var index: UInt32
  var name: String
  /// ARPHRD_…: 1 is Ethernet, 772 is loopback.
  var type: UInt16
  var isUp: Bool
  var isLoopback: Bool
  var mtu: Int
  /// 6 octets on Ethernet and loopback.
  var hardwareAddress: [UInt8]
  /// The bridge or bond that it is a port of; 0 if none.
  var master: UInt32
  /// "veth", "bridge", "vlan", …; empty for hardware.
  var kind: String
  /// On a VLAN: the tag, and the interface beneath.
  var vlan: (id: UInt16, parent: UInt32)?

  /// Whether it carries Ethernet frames that a program can be attached to without being asked for it by name.
  var isEligible: Bool { isUp && (type == 1 || isLoopback) && master == 0 && vlan == nil }

  static func == (a: Link, b: Link) -> Bool {
    a.index == b.index && a.name == b.name && a.type == b.type && a.isUp == b.isUp && a.mtu == b.mtu
      && a.hardwareAddress == b.hardwareAddress && a.master == b.master && a.kind == b.kind && a.vlan?.id == b.vlan?.id
      && a.vlan?.parent == b.vlan?.parent
  }

  func hash(into hasher: inout Hasher) { hasher.combine(index) }
}

extension NetlinkSocket {
  /// Every interface, by index.
  mutating func links() -> [UInt32: Link] {
    var request = NetlinkRequest(type: RTM_GETLINK, flags: NetlinkRequest.dump)
    request.append(UInt64(0))
    request.append(UInt64(0))
    let links = ask(request, isDump: true).compactMap(Link.init)
    return Dictionary(links.map { ($0.index, $0) }, uniquingKeysWith: { $1 })
  }
}

extension Link {
  init?(_ message: NetlinkMessage) {
    guard message.type == RTM_NEWLINK else { return nil }
    // struct ifinfomsg: family, padding, type, index, flags, change
    let attributes = message.attributes(after: 16)
    guard let name = attributes[IFLA_IFNAME] else { return nil }
    let flags = message.body.u32(8)
    type = message.body.u16(2)
    index = message.body.u32(4)
    isUp = flags & UInt32(IFF_UP) != 0
    isLoopback = flags & UInt32(IFF_LOOPBACK) != 0
    self.name = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    mtu = Int(attributes[IFLA_MTU]?.u32(0) ?? 0)
    hardwareAddress = attributes[IFLA_ADDRESS].map(Array.init) ?? []
    master = attributes[IFLA_MASTER]?.u32(0) ?? 0
    let information = NetlinkMessage.attributes(in: attributes[IFLA_LINKINFO] ?? [])
    kind = String(decoding: (information[IFLA_INFO_KIND] ?? []).prefix { $0 != 0 }, as: UTF8.self)
    guard kind == "vlan" else { return }
    let details = NetlinkMessage.attributes(in: information[IFLA_INFO_DATA] ?? [])
    vlan = (details[IFLA_VLAN_ID]?.u16(0) ?? 0, attributes[IFLA_LINK]?.u32(0) ?? 0)
  }
}
