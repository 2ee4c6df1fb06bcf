import Glibc
import Wire

/// A TCP listener on any port of one address.
final class TCPListener {
  private let descriptor: CInt
  private var name = sockaddr_in()

  init(_ ip: String) throws {
    descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    name.sin_family = sa_family_t(AF_INET)
    inet_pton(AF_INET, ip, &name.sin_addr)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isOpen = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        bind(descriptor, name, length) == 0 && getsockname(descriptor, name, &length) == 0 && listen(descriptor, 1) == 0
      }
    }
    guard isOpen else { throw UDPClient.Failure() }
  }

  deinit { close(descriptor) }

  /// Sends `bytes` from a socket made inside `place`, and returns what arrives here.
  func receive(_ bytes: [UInt8], from place: (() throws -> CInt) throws -> CInt) throws -> [UInt8] {
    let client = try place { socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0) }
    defer { close(client) }
    withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(client, $0, 16) }
    }
    guard wait(descriptor, POLLIN) else { return [] }
    let server = accept(descriptor, nil, nil)
    defer { close(server) }
    var sent = 0
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while received.count < bytes.count {
      if sent < bytes.count, wait(client, POLLOUT) {
        sent += max(0, bytes[sent...].withUnsafeBytes { write(client, $0.baseAddress, $0.count) })
      }
      guard wait(server, POLLIN) else { break }
      let count = read(server, &buffer, buffer.count)
      guard count > 0 else { break }
      received += buffer[..<count]
    }
    return received
  }

  private func wait(_ descriptor: CInt, _ event: CInt) -> Bool {
    var waiting = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    return poll(&waiting, 1, 2000) == 1
  }
}
