import CXDP
import Glibc
import Wire

/// One non-blocking UDP socket on a port of its own, connected to one address at a time. Arrivals are stamped by the kernel.
final class UDPSocket {
  let descriptor: CInt

  init(family: IPAddress) throws {
    let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    descriptor = socket(family.isV6 ? AF_INET6 : AF_INET, type, 0)
    guard descriptor >= 0 else { throw BenchFailure("cannot open a UDP socket: \(String(cString: strerror(errno)))") }
    set(SO_TIMESTAMPNS, 1)
    if !set(SO_RCVBUFFORCE, Self.bufferSize) { set(SO_RCVBUF, Self.bufferSize) }
  }

  deinit { close(descriptor) }

  /// Packets wait here while the client reads other receivers' sockets: a second of one receiver's media.
  private static let bufferSize: CInt = 1 << 20

  @discardableResult
  private func set(_ option: CInt, _ value: CInt) -> Bool {
    var value = value
    return setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
  }

  /// Sends go to `remote` from now on, and only what it sends is received. False if there is no route.
  func connect(to remote: SocketAddress) -> Bool {
    switch remote.ip {
    case .v4(let ip):
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = remote.port.bigEndian
      name.sin_addr.s_addr = ip.bigEndian
      return connect(&name, MemoryLayout<sockaddr_in>.size)
    case .v6:
      var name = sockaddr_in6()
      name.sin6_family = sa_family_t(AF_INET6)
      name.sin6_port = remote.port.bigEndian
      withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: remote.ip.bytes) }
      return connect(&name, MemoryLayout<sockaddr_in6>.size)
    }
  }

  private func connect<Name>(_ name: inout Name, _ size: Int) -> Bool {
    withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(size)) == 0 }
    }
  }

  /// A datagram that the socket refuses is lost, as on any network.
  func send(_ datagram: [UInt8]) { _ = Glibc.send(descriptor, datagram, datagram.count, 0) }

  func send(_ datagram: UnsafeRawPointer, count: Int) -> Bool { Glibc.send(descriptor, datagram, count, 0) == count }
}
