import Wire

/// The value of MAPPED-ADDRESS and XOR-MAPPED-ADDRESS (RFC 8489 sections 14.1 and 14.2).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0 0 0 0 0 0 0 0|    Family     |         (X-)Port              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                (X-)Address (32 or 128 bits)
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
/// XORed with the magic cookie, for IPv6 followed by the transaction ID, so that address-rewriting NATs do not touch
/// it.
enum STUNAddress {
  case v4(UInt32, port: UInt16)
  case v6(UInt64, UInt64, port: UInt16)

  init(_ address: SocketAddress) {
    self =
      switch address.ip {
      case .v4(let ip): .v4(ip, port: address.port)
      case .v6(let high, let low): .v6(high, low, port: address.port)
      }
  }

  /// nil for an unknown family or a size that is not the family's.
  init?(_ value: ArraySlice<UInt8>) {
    var reader = ByteReader(value)
    guard reader.advance(by: 1), let family = reader.u8(), let port = reader.u16() else { return nil }
    switch (family, reader.remaining) {
    case (1, 4):
      guard let ip = reader.u32() else { return nil }
      self = .v4(ip, port: port)
    case (2, 16):
      guard let high = reader.u64(), let low = reader.u64() else { return nil }
      self = .v6(high, low, port: port)
    default: return nil
    }
  }

  /// Both ways: hides an address, and shows a hidden one.
  func xored(with id: STUNTransactionID) -> STUNAddress {
    let cookie = STUNMessage.magicCookie
    let portMask = UInt16(cookie >> 16)
    return switch self {
    case .v4(let ip, let port): .v4(ip ^ cookie, port: port ^ portMask)
    case .v6(let high, let low, let port):
      .v6(high ^ (UInt64(cookie) << 32 | UInt64(id.high)), low ^ id.low, port: port ^ portMask)
    }
  }

  /// An IPv4-mapped IPv6 address becomes IPv4, as everywhere in `Wire`.
  var socketAddress: SocketAddress {
    switch self {
    case .v4(let ip, let port): SocketAddress(.v4(ip), port)
    case .v6(0, let low, let port) where low >> 32 == 0xffff: SocketAddress(.v4(UInt32(truncatingIfNeeded: low)), port)
    case .v6(let high, let low, let port): SocketAddress(.v6(high, low), port)
    }
  }
}

extension ByteWriter {
  mutating func append(_ address: STUNAddress) {
    u8(0)
    switch address {
    case .v4(let ip, let port):
      u8(1)
      u16(port)
      u32(ip)
    case .v6(let high, let low, let port):
      u8(2)
      u16(port)
      u64(high)
      u64(low)
    }
  }
}
