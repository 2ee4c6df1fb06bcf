import Glibc
import Netlink

/// What drivers say they can do with XDP (the generic-netlink family "netdev", Linux 6.3).
enum XDPFeatures {
  // Newer than the headers of Debian 12: linux/netdev.h, linux/genetlink.h.
  private static let genericNetlink: CInt = 16  // NETLINK_GENERIC
  private static let controlFamily = 16  // GENL_ID_CTRL
  private static let getFamily: UInt32 = 0x103  // CTRL_CMD_GETFAMILY, version 1
  private static let familyID = 1  // CTRL_ATTR_FAMILY_ID
  private static let familyName = 2  // CTRL_ATTR_FAMILY_NAME
  private static let getDevice: UInt32 = 1  // NETDEV_CMD_DEV_GET, version 0
  private static let interfaceIndex = 1  // NETDEV_A_DEV_IFINDEX
  private static let features = 3  // NETDEV_A_DEV_XDP_FEATURES
  private static let transmits: UInt64 = 1 << 2  // NETDEV_XDP_ACT_NDO_XMIT

  /// Whether XDP can send by the interface; nil if there is no answer. On a veth this depends on the other end: it must have
  /// GRO on or a program.
  static func canTransmit(_ interface: UInt32) -> Bool? {
    guard var netlink = NetlinkSocket(protocol: genericNetlink), let family = family(&netlink) else { return nil }
    var request = NetlinkRequest(type: Int(family), flags: 0)
    request.append(getDevice)
    request.attribute(interfaceIndex, withUnsafeBytes(of: interface, Array.init))
    guard let answer = netlink.ask(request).first, let features = answer.attributes(after: 4)[features] else {
      return nil
    }
    return (UInt64(features.u32(0)) | UInt64(features.u32(4)) << 32) & transmits != 0
  }

  private static func family(_ netlink: inout NetlinkSocket) -> UInt16? {
    var request = NetlinkRequest(type: controlFamily, flags: 0)
    request.append(getFamily)
    request.attribute(familyName, Array("netdev".utf8) + [0])
    return netlink.ask(request).first?.attributes(after: 4)[familyID]?.u16(0)
  }
}
