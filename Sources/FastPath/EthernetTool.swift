import Glibc

enum EthernetTool {
  /// SIOCETHTOOL
  private static let channelsRequest: UInt = 0x8946

  /// The receive queues in use, as `ethtool -l` tells; 1 where the driver does not say, nil if it cannot be asked.
  static func receiveQueues(of interface: String) -> UInt32? {
    let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // struct ethtool_channels: the command ETHTOOL_GCHANNELS, four maxima, and receive, send, other and combined
    // counts.
    var channels = [UInt32](repeating: 0, count: 9)
    channels[0] = 0x3c
    return channels.withUnsafeMutableBytes { channels in
      // struct ifreq: the name, and a pointer to the above.
      withUnsafeTemporaryAllocation(byteCount: 40, alignment: 8) { request in
        request.initializeMemory(as: UInt8.self, repeating: 0)
        request.copyBytes(from: interface.utf8.prefix(15))
        request.storeBytes(of: channels.baseAddress, toByteOffset: 16, as: UnsafeMutableRawPointer?.self)
        guard let argument = request.baseAddress, ioctl(descriptor, channelsRequest, argument) == 0 else {
          return 1
        }
        let counts = channels.bindMemory(to: UInt32.self)
        return max(1, counts[5] &+ counts[8])
      }
    }
  }
}
