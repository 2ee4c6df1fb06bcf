import Glibc
import Wire

/// A socket address as the kernel has it, of either family.
struct SocketName {
  private var storage: sockaddr_in6
  private(set) var length: socklen_t

  init(_ address: SocketAddress) {
    storage = sockaddr_in6()
    switch address.ip {
    case .v4(let ip):
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = address.port.bigEndian
      name.sin_addr.s_addr = ip.bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: name, as: sockaddr_in.self) }
    case .v6(let high, let low):
      storage.sin6_family = sa_family_t(AF_INET6)
      storage.sin6_port = address.port.bigEndian
      withUnsafeMutableBytes(of: &storage.sin6_addr) {
        $0.storeBytes(of: high.bigEndian, as: UInt64.self)
        $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    }
  }

  /// The address that a socket is bound to.
  init(ofSocket descriptor: CInt) {
    storage = sockaddr_in6()
    length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    var length = length
    _ = withAddress { address, _ in getsockname(descriptor, address, &length) }
    self.length = length
  }

  mutating func withAddress<R>(_ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> R) -> R {
    let length = length
    return withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  var address: SocketAddress? {
    withUnsafeBytes(of: storage) { $0.baseAddress.flatMap { SocketName.read($0) } }
  }

  /// The address that the kernel wrote to `name` (room for a `sockaddr_in6`); nil if it is of another family.
  @inline(__always)
  static func read(_ name: UnsafeRawPointer) -> SocketAddress? {
    let port = UInt16(bigEndian: name.load(fromByteOffset: 2, as: UInt16.self))
    switch CInt(name.load(as: sa_family_t.self)) {
    case AF_INET: return SocketAddress(.v4(UInt32(bigEndian: name.load(fromByteOffset: 4, as: UInt32.self))), port)
    case AF_INET6: return SocketAddress(IPAddress(networkOrder: name + 8), port)
    default: return nil
    }
  }
}

extension IPAddress {
  /// The IPv6 address in 16 bytes of network order at `bytes`.
  @inline(__always)
  init(networkOrder bytes: UnsafeRawPointer) {
    self = .v6(
      UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
  }
}

/// The ancillary data that says which local address a datagram came to or is to leave from (IP_PKTINFO, RFC 3542
/// section 6.2).
enum LocalAddressControl {
  /// Octets of a control message header (cmsghdr) on 64-bit Linux.
  private static let headerLength = 16
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
      writeHeader(control, level: CInt(IPPROTO_IP), type: IP_PKTINFO, length: MemoryLayout<in_pktinfo>.size)
      return 32
    case .v6(let high, let low):
      data.storeBytes(of: high.bigEndian, as: UInt64.self)
      data.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      data.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
      writeHeader(control, level: CInt(IPPROTO_IPV6), type: IPV6_PKTINFO, length: 20)
      return 40
    }
  }

  private static func writeHeader(_ control: UnsafeMutableRawPointer, level: CInt, type: CInt, length: Int) {
    control.storeBytes(of: headerLength + length, as: Int.self)
    control.storeBytes(of: level, toByteOffset: 8, as: CInt.self)
    control.storeBytes(of: type, toByteOffset: 12, as: CInt.self)
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
