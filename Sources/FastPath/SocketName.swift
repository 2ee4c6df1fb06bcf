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
