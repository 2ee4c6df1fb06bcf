import Wire

/// UDP from one address and port to another, as the host's tables tell it from others.
public struct HostFlow: Hashable, Sendable {
  public var source: SocketAddress
  public var destination: SocketAddress
  /// The interfaces that its packets can be said to pass: the route's, and what that belongs to. Empty: not known.
  public var interfaces: [UInt32]
  public var isLoopback: Bool

  /// IPPROTO_UDP.
  static let protocolNumber: UInt8 = 17

  public init(from source: SocketAddress, to destination: SocketAddress, interfaces: [UInt32], isLoopback: Bool = false)
  {
    self.source = source
    self.destination = destination
    self.interfaces = interfaces
    self.isLoopback = isLoopback
  }

  public var isV6: Bool { destination.ip.isV6 }
}

/// The first bits of an address.
public struct AddressPrefix: Hashable, Sendable {
  private var high: UInt64
  private var low: UInt64
  public let length: Int

  /// `bytes`: in network order; an IPv4 address is the first four.
  public init(_ bytes: ArraySlice<UInt8>, length: Int) {
    let octets = Array(bytes.prefix(16)) + [UInt8](repeating: 0, count: max(0, 16 - bytes.count))
    high = octets[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    low = octets[8...].reduce(0) { $0 << 8 | UInt64($1) }
    self.length = min(max(0, length), 128)
  }

  /// Whether an address, of the prefix's family, begins with it.
  public func contains(_ ip: IPAddress) -> Bool {
    switch ip {
    case .v4(let address): (high ^ UInt64(address) << 32) & Self.mask(min(length, 32)) == 0
    case .v6(let high, let low):
      (self.high ^ high) & Self.mask(length) == 0 && (self.low ^ low) & Self.mask(length - 64) == 0
    }
  }

  /// The first `length` of 64 bits.
  private static func mask(_ length: Int) -> UInt64 {
    length <= 0 ? 0 : length >= 64 ? .max : ~(.max >> UInt64(length))
  }
}
