import NIOCore
import Wire

/// Where a connection comes from, as far as shares go: an IPv4 address, or an IPv6 /64, which is one host's.
package enum ClientNetwork: Hashable {
  case v4(UInt32)
  case v6(UInt64)

  /// nil for what has no share: this machine itself, where a proxy carries everybody.
  init?(_ address: NIOCore.SocketAddress?) {
    guard let ip = address?.ipAddress.flatMap({ IPAddress($0) }), !ip.isLoopback else { return nil }
    self.init(ip)
  }

  package init(_ ip: IPAddress) {
    switch ip {
    case .v4(let number): self = .v4(number)
    case .v6(let high, _): self = .v6(high)
    }
  }
}
