import NIOCore
import Wire

extension NIOCore.SocketAddress {
  /// For the log: `192.0.2.1:40000`, also where IPv4 came to a socket of IPv6, or `[2001:db8::1]:40000`.
  var client: String {
    guard let ip = ipAddress.flatMap({ IPAddress($0) }) else { return "unknown" }
    return "\(Wire.SocketAddress(ip, UInt16(clamping: port ?? 0)))"
  }
}
