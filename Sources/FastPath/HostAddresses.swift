import Glibc
import Wire

enum HostAddresses {
  /// The addresses that clients may be told of: without link-local ones; loopback last.
  static func all() throws(FastPathError) -> [IPAddress] {
    var found: [IPAddress] = []
    for ip in try assigned() where !ip.isLinkLocal && !found.contains(ip) { found.append(ip) }
    return found.filter { !$0.isLoopback } + found.filter(\.isLoopback)
  }

  /// Every address of the interfaces that are up.
  static func assigned() throws(FastPathError) -> [IPAddress] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { throw .system(call: "getifaddrs", error: errno) }
    defer { freeifaddrs(first) }
    var found: [IPAddress] = []
    var next = first
    while let entry = next {
      next = entry.pointee.ifa_next
      guard entry.pointee.ifa_flags & UInt32(IFF_UP) != 0, let name = entry.pointee.ifa_addr,
        let ip = SocketName.read(UnsafeRawPointer(name))?.ip
      else { continue }
      found.append(ip)
    }
    return found
  }
}
