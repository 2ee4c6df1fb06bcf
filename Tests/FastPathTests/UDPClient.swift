import Glibc
import Wire

/// A plain UDP socket of the other side, bound to one address.
final class UDPClient {
  struct Failure: Error {}

  let descriptor: CInt
  let address: SocketAddress

  init(_ ip: String, port: UInt16 = 0) throws {
    guard let ip = IPAddress(ip) else { throw Failure() }
    let descriptor = socket(ip.isV6 ? AF_INET6 : AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
    var room: CInt = 8 << 20
    if setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &room, 4) != 0 {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, 4)
    }
    var name = Self.name(SocketAddress(ip, port))
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let bound = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        bind(descriptor, name, ip.isV6 ? length : 16) == 0 && getsockname(descriptor, name, &length) == 0
      }
    }
    guard descriptor >= 0, bound else { throw Failure() }
    self.descriptor = descriptor
    address = SocketAddress(ip, UInt16(bigEndian: name.sin6_port))
  }

  deinit { close(descriptor) }

  func send(_ bytes: [UInt8], to remote: SocketAddress) {
    var name = Self.name(remote)
    withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        _ = sendto(descriptor, bytes, bytes.count, 0, name, remote.ip.isV6 ? 28 : 16)
      }
    }
  }

  /// From now on `receive` returns what was sent as one message whole (UDP_GRO, udp(7)).
  func takeSegmentsTogether() {
    var value: CInt = 1
    setsockopt(descriptor, CInt(IPPROTO_UDP), 104, &value, 4)
  }

  /// The next datagram and who sent it; nil if none comes in time.
  func receive(milliseconds: CInt = 30_000) -> (bytes: [UInt8], from: SocketAddress)? {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, milliseconds) == 1 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 65536)
    var name = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let count = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
      }
    }
    guard count >= 0 else { return nil }
    return (Array(buffer[..<count]), Self.address(name))
  }

  private static func name(_ address: SocketAddress) -> sockaddr_in6 {
    var name = sockaddr_in6()
    name.sin6_family = sa_family_t(address.ip.isV6 ? AF_INET6 : AF_INET)
    name.sin6_port = address.port.bigEndian
    let bytes = address.ip.bytes
    withUnsafeMutableBytes(of: &name) { $0[(address.ip.isV6 ? 8 : 4)...].copyBytes(from: bytes) }
    return name
  }

  private static func address(_ name: sockaddr_in6) -> SocketAddress {
    withUnsafeBytes(of: name) { bytes in
      let ip = Array(name.sin6_family == sa_family_t(AF_INET6) ? bytes[8..<24] : bytes[4..<8])
      return SocketAddress(IPAddress(bytes: ip) ?? .v4(0), UInt16(bigEndian: name.sin6_port))
    }
  }
}
