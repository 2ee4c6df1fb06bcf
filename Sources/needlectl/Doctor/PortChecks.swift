import Foundation

enum PortChecks {
  static func all(media: UInt16, web: UInt16, serverIsRunning: Bool) -> [Finding] {
    [
      check("UDP port \(media)", media, SOCK_DGRAM, serverIsRunning, key: "media-port"),
      check("TCP port \(web)", web, SOCK_STREAM, serverIsRunning, key: "port"),
    ]
  }

  private static func check(
    _ name: String, _ port: UInt16, _ type: __socket_type, _ serverIsRunning: Bool, key: String
  ) -> Finding {
    let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
    guard descriptor >= 0 else { return .missing(name, String(cString: strerror(errno)), remedy: "allow IPv4 sockets") }
    defer { close(descriptor) }
    var one: Int32 = 1
    if type == SOCK_STREAM {
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0 { return .ok(name, "free") }
    if serverIsRunning { return .ok(name, "in use; a needletail server is running") }
    return .missing(
      name, String(cString: strerror(errno)), remedy: "see who has it with ss -lnp 'sport = :\(port)', or set \(key)")
  }
}
