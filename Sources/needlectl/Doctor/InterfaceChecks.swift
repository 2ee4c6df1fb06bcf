import Foundation

enum InterfaceChecks {
  /// Drivers whose XDP runs natively, in Linux 6.1.
  private static let nativeDrivers: Set<String> = [
    "veth", "virtio_net", "mlx5_core", "mlx4_en", "ixgbe", "ixgbevf", "i40e", "ice", "igb", "igc", "ena", "bnxt_en",
    "nfp",
    "qede", "sfc", "thunder-nic", "nicvf", "mvneta", "mvpp2", "stmmac", "st_gmac", "tun", "hv_netvsc", "gve",
    "fsl_dpaa2_eth",
    "fsl_enetc", "cpsw", "am65-cpsw-nuss", "netsec", "xen_netfront", "bond", "vmxnet3", "lan966x-switch", "netdevsim",
  ]

  static var namesOfThoseUp: [String] { HostFiles.entries("/sys/class/net").filter(isUp) }

  /// One finding for each interface that is up.
  static func all() -> [Finding] {
    namesOfThoseUp.map { name in
      let check = "interface \(name)"
      if name == "lo" {
        return .ok(check, "loopback: generic XDP")
      }
      let driver = driver(of: name) ?? "unknown"
      let queues = HostFiles.entries("/sys/class/net/\(name)/queues").count { $0.hasPrefix("rx-") }
      let mtu = HostFiles.number("/sys/class/net/\(name)/mtu") ?? 0
      let detail = "driver \(driver), \(Reading.count(queues, "RX queue")), MTU \(mtu)"
      if !nativeDrivers.contains(driver) {
        return .note(
          check, detail + ": generic XDP only",
          remedy: "works, slower; native XDP needs a driver such as virtio_net, ena, ice, i40e, ixgbe or mlx5_core")
      }
      if mtu > 3498 {
        return .note(check, detail + ": too large for native XDP", remedy: "ip link set \(name) mtu 1500")
      }
      return .ok(check, detail + ": native XDP")
    }
  }

  private static func isUp(_ name: String) -> Bool {
    guard let text = HostFiles.text("/sys/class/net/\(name)/flags"), let flags = Int(text.dropFirst(2), radix: 16)
    else { return false }
    return flags & 1 == 1
  }

  /// From sysfs for devices on a bus, else by ETHTOOL_GDRVINFO.
  private static func driver(of name: String) -> String? {
    if let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/sys/class/net/\(name)/device/driver") {
      return link.split(separator: "/").last.map(String.init)
    }
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // struct ethtool_drvinfo: command, then a 32-byte driver name; 196 bytes in all.
    var information = [UInt8](repeating: 0, count: 256)
    information[0] = 3  // ETHTOOL_GDRVINFO
    return information.withUnsafeMutableBytes { buffer in
      // struct ifreq: 16 bytes of name, then the pointer; 40 bytes in all.
      var request = [UInt8](repeating: 0, count: 40)
      request.replaceSubrange(0..<min(15, name.utf8.count), with: name.utf8.prefix(15))
      let result = request.withUnsafeMutableBytes { bytes in
        bytes.storeBytes(of: buffer.baseAddress, toByteOffset: 16, as: UnsafeMutableRawPointer?.self)
        return ioctl(descriptor, 0x8946, bytes.baseAddress ?? buffer.baseAddress!)
      }
      guard result == 0 else { return nil }
      return String(decoding: buffer[4..<36].prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
