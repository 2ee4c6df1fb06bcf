import Glibc
import Wire

/// The host's own addresses, for URLs to show and names in the development certificate.
enum HostAddresses {
  /// Of interfaces that are up, without loopback and link-local ones; IPv4 first.
  static func all() -> [IPAddress] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    var found: [IPAddress] = []
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard entry.ifa_flags & UInt32(IFF_UP) != 0, let ip = address(entry.ifa_addr) else { continue }
      if !ip.isLoopback, !ip.isLinkLocal, !found.contains(ip) { found.append(ip) }
    }
    return found.filter { !$0.isV6 } + found.filter(\.isV6)
  }

  private static func address(_ address: UnsafeMutablePointer<sockaddr>?) -> IPAddress? {
    guard let address else { return nil }
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        withUnsafeBytes(of: $0.pointee.sin_addr) { IPAddress(bytes: Array($0)) }
      }
    case AF_INET6:
      return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
        withUnsafeBytes(of: $0.pointee.sin6_addr) { IPAddress(bytes: Array($0)) }
      }
    default: return nil
    }
  }
}
