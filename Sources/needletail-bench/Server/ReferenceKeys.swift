import SRTP

/// What the reference forwarder and the load client know without signalling: keys, SSRCs, and how a socket registers.
/// The keys protect nothing but benchmark traffic within one network namespace.
enum ReferenceKeys {
  static let audioSSRC: UInt32 = 0x0a0a_0a0a
  static let videoSSRC: UInt32 = 0x0b0b_0b0b

  /// The keys of a sink; nil: of the publisher.
  static func keys(of sink: Int?) throws -> SRTPKeys {
    let number = UInt32(sink.map { $0 + 1 } ?? 0)
    let key = (0..<16).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 & 3))) ^ UInt8($0 &* 17) }
    let salt = (0..<12).map { UInt8($0 &* 7 + 3) }
    guard let keys = SRTPKeys(profile: .aeadAES128GCM, masterKey: key, masterSalt: salt) else {
      throw BenchFailure("no reference keys")
    }
    return keys
  }

  private static let mark = [UInt8]("needletail-ref".utf8)

  /// The datagram that registers a sink; nil: the publisher, who needs no registration.
  static func greeting(_ sink: Int?) -> [UInt8] {
    mark + (sink.map { n in (0..<4).map { UInt8(truncatingIfNeeded: n >> (24 - 8 * $0)) } } ?? [])
  }

  /// The sink that a datagram registers; nil if it is no greeting or the publisher's.
  static func sink(_ datagram: UnsafeRawBufferPointer) -> Int? {
    guard datagram.count == mark.count + 4, datagram.starts(with: mark) else { return nil }
    return datagram.suffix(4).reduce(0) { $0 << 8 | Int($1) }
  }
}
