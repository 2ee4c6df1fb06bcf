import Wire

/// The 96 bits that pair a response with its request. Uniformly random, so that nobody off the path can forge a
/// response.
public struct STUNTransactionID: Hashable, Sendable {
  let high: UInt32
  let low: UInt64

  init(high: UInt32, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// From 12 bytes in network order; nil for any other count.
  public init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    guard bytes.count == 12, let high = reader.u32(), let low = reader.u64() else { return nil }
    self.init(high: high, low: low)
  }

  public static func random() -> STUNTransactionID {
    var generator = SystemRandomNumberGenerator()
    return random(using: &generator)
  }

  public static func random(using generator: inout some RandomNumberGenerator) -> STUNTransactionID {
    STUNTransactionID(
      high: .random(in: .min ... .max, using: &generator), low: .random(in: .min ... .max, using: &generator))
  }

  /// The 12 bytes in network order.
  public var bytes: [UInt8] {
    var writer = ByteWriter(capacity: 12)
    writer.append(self)
    return writer.bytes
  }
}

extension ByteWriter {
  mutating func append(_ id: STUNTransactionID) {
    u32(id.high)
    u64(id.low)
  }
}
