import CXDP
import Glibc
import Wire

/// Where the load goes: the URL, resolved once, and whether that is somewhere we may load.
struct LoadTarget: Sendable {
  var isSecure: Bool
  var host: String
  var address: SocketAddress
  /// The user says that servers elsewhere are theirs.
  private var isAnywhereAllowed: Bool

  init(url: String, isAnywhereAllowed: Bool) throws {
    var rest = url[...]
    if url.hasPrefix("https://") {
      (isSecure, rest) = (true, rest.dropFirst(8))
    } else if url.hasPrefix("http://") {
      (isSecure, rest) = (false, rest.dropFirst(7))
    } else {
      throw BenchFailure("the URL must begin with https:// or http://: \(url)")
    }
    let authority = String(rest.prefix { $0 != "/" })
    let (host, port) = Self.split(authority, defaultPort: isSecure ? 443 : 80)
    guard let ip = Self.resolve(host) else { throw BenchFailure("the host \(host) does not resolve") }
    self.host = host
    address = SocketAddress(ip, port)
    self.isAnywhereAllowed = isAnywhereAllowed
    guard isAnywhereAllowed || ip.isLocal else {
      throw BenchFailure(
        "\(host) (\(ip)) is not on this machine or a private network. A load test of a server that is not yours is an "
          + "attack: if it is yours, say --i-own-this-server")
    }
  }

  /// Of the server's candidates those that media may go to, the URL's own address first. A candidate elsewhere could be
  /// someone else's machine.
  func admitted(_ candidates: [SocketAddress]) throws -> [SocketAddress] {
    let same = candidates.filter { $0.ip == address.ip }
    let others = candidates.filter { $0.ip != address.ip && (isAnywhereAllowed || $0.ip.isLocal) }
    guard let first = (same + others).first else {
      throw BenchFailure("the server's candidates are neither at the URL's address nor local: \(candidates)")
    }
    return (same + others).filter { $0.ip.isV6 == first.ip.isV6 }
  }

  private static func split(_ authority: String, defaultPort: UInt16) -> (host: String, port: UInt16) {
    var host = authority
    var port = defaultPort
    if let colon = authority.lastIndex(of: ":"), let number = UInt16(authority[authority.index(after: colon)...]) {
      host = String(authority[..<colon])
      port = number
    }
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    return (host, port)
  }

  private static func resolve(_ host: String) -> IPAddress? {
    if let ip = IPAddress(host) { return ip }
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_DGRAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &list) == 0, let list else { return nil }
    defer { freeaddrinfo(list) }
    let found = sequence(first: list) { $0.pointee.ai_next }.compactMap { address($0.pointee) }
    return found.first { !$0.isV6 } ?? found.first
  }

  private static func address(_ entry: addrinfo) -> IPAddress? {
    guard let name = entry.ai_addr else { return nil }
    switch entry.ai_family {
    case AF_INET:
      return name.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { name in
        withUnsafeBytes(of: name.pointee.sin_addr) { IPAddress(bytes: Array($0)) }
      }
    case AF_INET6:
      return name.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { name in
        withUnsafeBytes(of: name.pointee.sin6_addr) { IPAddress(bytes: Array($0)) }
      }
    default: return nil
    }
  }
}

extension IPAddress {
  /// On this machine or a private network: loopback, link-local, RFC 1918, RFC 6598 and RFC 4193 addresses.
  var isLocal: Bool {
    if isLoopback || isLinkLocal { return true }
    switch self {
    case .v4(let a): return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 22 == 0x191
    case .v6(let high, _): return high >> 57 == 0x7e
    }
  }
}
