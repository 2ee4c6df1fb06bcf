import Glibc

/// An IPv4 or IPv6 address. The numbers are in host order: `.v4(0x7f00_0001)` is 127.0.0.1.
public enum IPAddress: Hashable, Sendable {
  case v4(UInt32)
  case v6(UInt64, UInt64)

  /// Parses the text forms of RFC 4291 (IPv6, no zone) and dotted decimal (IPv4); nil if `text` is neither.
  public init?(_ text: some StringProtocol) {
    let text = String(text)
    var v4 = in_addr()
    var v6 = in6_addr()
    if inet_pton(AF_INET, text, &v4) == 1 {
      self = .v4(UInt32(bigEndian: v4.s_addr))
    } else if inet_pton(AF_INET6, text, &v6) == 1 {
      self = withUnsafeBytes(of: &v6) { IPAddress(v6: $0) }
    } else {
      return nil
    }
  }

  /// An IPv6 address from 16 bytes in network order; an IPv4-mapped address (::ffff:a.b.c.d) becomes `.v4`.
  init(v6 bytes: UnsafeRawBufferPointer) {
    let high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    self = high == 0 && low >> 32 == 0xffff ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
  }

  public var isLoopback: Bool {
    switch self {
    case .v4(let a): a >> 24 == 127
    case .v6(let high, let low): high == 0 && low == 1
    }
  }

  /// 169.254/16 or fe80::/10.
  public var isLinkLocal: Bool {
    switch self {
    case .v4(let a): a >> 16 == 0xa9fe
    case .v6(let high, _): high >> 54 == 0x3fa
    }
  }

  /// 224/4 or ff00::/8.
  public var isMulticast: Bool {
    switch self {
    case .v4(let a): a >> 28 == 0xe
    case .v6(let high, _): high >> 56 == 0xff
    }
  }

  /// The Ethernet address of a multicast group (RFC 1112 section 6.4, RFC 2464 section 7); nil for others.
  public var groupHardwareAddress: [UInt8]? {
    guard isMulticast else { return nil }
    let bytes = bytes
    return isV6 ? [0x33, 0x33] + bytes.suffix(4) : [0x01, 0x00, 0x5e, bytes[1] & 0x7f] + bytes.suffix(2)
  }

  public var isV6: Bool { if case .v6 = self { true } else { false } }

  /// The address in network order: 4 or 16 bytes.
  public var bytes: [UInt8] {
    switch self {
    case .v4(let a): (0..<4).map { UInt8(truncatingIfNeeded: a >> (24 - 8 * $0)) }
    case .v6(let high, let low):
      [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
    }
  }

  /// From 4 or 16 bytes in network order; nil for any other count.
  public init?(bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      let array = Array(bytes)
      self = array.withUnsafeBytes { IPAddress(v6: $0) }
    default: return nil
    }
  }
}

extension IPAddress: CustomStringConvertible {
  public var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = isV6 ? AF_INET6 : AF_INET
    bytes.withUnsafeBytes { _ = inet_ntop(family, $0.baseAddress, &text, socklen_t(INET6_ADDRSTRLEN)) }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// A UDP address: IP and port, both in host order.
public struct SocketAddress: Hashable, Sendable {
  public var ip: IPAddress
  public var port: UInt16

  public init(_ ip: IPAddress, _ port: UInt16) {
    self.ip = ip
    self.port = port
  }

  /// Parses `1.2.3.4:5` and `[::1]:5`; nil if `text` is neither.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard let ip = IPAddress(host) else { return nil }
    self.init(ip, port)
  }
}

extension SocketAddress: CustomStringConvertible {
  public var description: String { ip.isV6 ? "[\(ip)]:\(port)" : "\(ip):\(port)" }
}

/// The two ends of a UDP flow, seen from here.
public struct FiveTuple: Hashable, Sendable {
  public var local: SocketAddress
  public var remote: SocketAddress

  public init(local: SocketAddress, remote: SocketAddress) {
    self.local = local
    self.remote = remote
  }
}
