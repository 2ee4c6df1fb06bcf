import CXDP
import Glibc
import Wire

/// The ancillary data that says which local address a datagram came to or is to leave from (IP_PKTINFO, RFC 3542
/// section 6.2).
enum LocalAddressControl {
  private static let headerLength = ControlHeader.length
  /// Room for either family's message.
  static let capacity = 40

  /// Writes the message to `control`; returns its length.
  static func write(_ ip: IPAddress, to control: UnsafeMutableRawPointer) -> Int {
    let data = control + headerLength
    switch ip {
    case .v4(let address):
      var information = in_pktinfo()
      information.ipi_spec_dst.s_addr = address.bigEndian
      data.storeBytes(of: information, as: in_pktinfo.self)
      ControlHeader.write(control, level: CInt(IPPROTO_IP), type: IP_PKTINFO, dataLength: MemoryLayout<in_pktinfo>.size)
      return 32
    case .v6(let high, let low):
      data.storeBytes(of: high.bigEndian, as: UInt64.self)
      data.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      data.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
      ControlHeader.write(control, level: CInt(IPPROTO_IPV6), type: IPV6_PKTINFO, dataLength: 20)
      return 40
    }
  }

  /// The local address in the first message of the `length` octets at `control`, the only kind that was asked for.
  @inline(__always)
  static func read(_ control: UnsafeRawPointer, length: Int) -> IPAddress? {
    guard length >= headerLength + MemoryLayout<in_pktinfo>.size else { return nil }
    let data = control + headerLength
    switch (control.load(fromByteOffset: 8, as: CInt.self), control.load(fromByteOffset: 12, as: CInt.self)) {
    case (CInt(IPPROTO_IP), IP_PKTINFO):
      // The address in the datagram's header follows the interface and the routing destination.
      return .v4(UInt32(bigEndian: data.load(fromByteOffset: 8, as: UInt32.self)))
    case (CInt(IPPROTO_IPV6), IPV6_PKTINFO):
      guard length >= headerLength + 20 else { return nil }
      return IPAddress(networkOrder: data)
    default: return nil
    }
  }
}

/// The ancillary data that has a message cut into datagrams (UDP_SEGMENT, udp(7)).
enum SegmentControl {
  /// Room for it behind a `LocalAddressControl`.
  static let capacity = LocalAddressControl.capacity + 24

  /// Whether the kernel can do it (Linux 4.18); others would ignore the message and send one long datagram.
  static func isKnown(to socket: CInt) -> Bool {
    var value: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    return getsockopt(socket, CInt(IPPROTO_UDP), CInt(LINUX_UDP_SEGMENT.rawValue), &value, &length) == 0
  }

  /// Writes the message to `control`; returns its length. `segmentLength`: octets of each datagram.
  static func write(_ segmentLength: Int, to control: UnsafeMutableRawPointer) -> Int {
    ControlHeader.write(
      control, level: CInt(IPPROTO_UDP), type: CInt(LINUX_UDP_SEGMENT.rawValue), dataLength: MemoryLayout<UInt16>.size)
    control.storeBytes(
      of: UInt16(truncatingIfNeeded: segmentLength), toByteOffset: ControlHeader.length, as: UInt16.self)
    return 24
  }
}

/// A control message's header (cmsghdr) on 64-bit Linux.
private enum ControlHeader {
  /// Octets.
  static let length = 16

  static func write(_ control: UnsafeMutableRawPointer, level: CInt, type: CInt, dataLength: Int) {
    control.storeBytes(of: length + dataLength, as: Int.self)
    control.storeBytes(of: level, toByteOffset: 8, as: CInt.self)
    control.storeBytes(of: type, toByteOffset: 12, as: CInt.self)
  }
}
