import Glibc

/// What drivers say they can do with XDP (the generic-netlink family "netdev", Linux 6.3).
enum XDPFeatures {
  private static let transmits: UInt64 = 1 << 2  // NETDEV_XDP_ACT_NDO_XMIT

  /// Whether XDP can send by the interface. On a veth this depends on the other end: it must have GRO on or a program.
  static func canTransmit(_ interface: UInt32) -> Bool {
    guard var netlink = NetlinkSocket(protocol: 16 /* NETLINK_GENERIC */), let family = family(&netlink) else {
      return false
    }
    var request = NetlinkRequest(type: Int(family), flags: 0)
    request.append(UInt32(1) /* NETDEV_CMD_DEV_GET, version 0 */)
    request.attribute(1 /* NETDEV_A_DEV_IFINDEX */, withUnsafeBytes(of: interface, Array.init))
    guard let answer = netlink.ask(request).first, let features = answer.attributes(after: 4)[3 /* XDP_FEATURES */]
    else {
      return false
    }
    return (UInt64(features.u32(0)) | UInt64(features.u32(4)) << 32) & transmits != 0
  }

  private static func family(_ netlink: inout NetlinkSocket) -> UInt16? {
    var request = NetlinkRequest(type: 16 /* GENL_ID_CTRL */, flags: 0)
    request.append(UInt32(0x103) /* CTRL_CMD_GETFAMILY, version 1 */)
    request.attribute(2 /* CTRL_ATTR_FAMILY_NAME */, Array("netdev".utf8) + [0])
    return netlink.ask(request).first?.attributes(after: 4)[1 /* CTRL_ATTR_FAMILY_ID */]?.u16(0)
  }
}
