import Glibc
import Wire

/// The UDP sockets of the media port: one for IPv4 and, where the host has it, one for IPv6. Both take what comes to
/// any address and tell which, so that answers leave from there.
struct MediaSockets: Sendable {
  /// -1: the host has no such family.
  let v4: CInt
  let v6: CInt
  let port: UInt16

  /// Opens both on `port`, or on one free port if it is 0.
  static func open(port: UInt16) throws(FastPathError) -> MediaSockets {
    var attempts = port == 0 ? 16 : 1
    while true {
      attempts -= 1
      do throws(FastPathError) {
        return try openBoth(port: port)
      } catch {
        // The free port found for one family may be taken in the other.
        guard attempts > 0, case .portInUse = error else { throw error }
      }
    }
  }

  func close() {
    if v4 >= 0 { Glibc.close(v4) }
    if v6 >= 0 { Glibc.close(v6) }
  }

  private static func openBoth(port: UInt16) throws(FastPathError) -> MediaSockets {
    let (v4, port4) = try openOne(AF_INET, port: port)
    do throws(FastPathError) {
      let (v6, port6) = try openOne(AF_INET6, port: v4 >= 0 ? port4 : port)
      guard v4 >= 0 || v6 >= 0 else { throw FastPathError.system(call: "socket", error: EAFNOSUPPORT) }
      return MediaSockets(v4: v4, v6: v6, port: v4 >= 0 ? port4 : port6)
    } catch {
      if v4 >= 0 { Glibc.close(v4) }
      throw error
    }
  }

  /// (-1, 0) if the host does not have the family.
  private static func openOne(_ family: CInt, port: UInt16) throws(FastPathError) -> (CInt, UInt16) {
    let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else {
      if errno == EAFNOSUPPORT { return (-1, 0) }
      throw .system(call: "socket", error: errno)
    }
    setOptions(descriptor, family)
    let wildcard: IPAddress = family == AF_INET ? .v4(0) : .v6(0, 0)
    var name = SocketName(SocketAddress(wildcard, port))
    guard name.withAddress({ bind(descriptor, $0, $1) }) == 0 else {
      let error = errno
      Glibc.close(descriptor)
      switch error {
      case EADDRINUSE: throw .portInUse(port: port)
      case EACCES, EPERM: throw .portNotPermitted(port: port)
      case EADDRNOTAVAIL where family == AF_INET6: return (-1, 0)
      default: throw .system(call: "bind", error: error)
      }
    }
    return (descriptor, SocketName(ofSocket: descriptor).address?.port ?? port)
  }

  private static func setOptions(_ descriptor: CInt, _ family: CInt) {
    if family == AF_INET6 {
      set(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 1)
      set(descriptor, CInt(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1)
    } else {
      set(descriptor, CInt(IPPROTO_IP), IP_PKTINFO, 1)
    }
    // The privileged forms pass the system's limit; without the right the plain ones take what it allows.
    for (forced, plain) in [(SO_RCVBUFFORCE, SO_RCVBUF), (SO_SNDBUFFORCE, SO_SNDBUF)] {
      if !set(descriptor, SOL_SOCKET, forced, bufferSize) { set(descriptor, SOL_SOCKET, plain, bufferSize) }
    }
  }

  /// Room for a burst of some 1000 packets. More would only age them: STUN waits behind media in the same queue, and a
  /// check answered seconds late is a check that failed.
  private static let bufferSize: CInt = 2 << 20

  @discardableResult
  private static func set(_ descriptor: CInt, _ level: CInt, _ option: CInt, _ value: CInt) -> Bool {
    var value = value
    return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
  }
}
