/// Builds a packet: big-endian integers and byte runs, in order.
public struct ByteWriter: Sendable {
  public private(set) var bytes: [UInt8] = []

  public init(capacity: Int = 128) { bytes.reserveCapacity(capacity) }

  public var count: Int { bytes.count }

  public mutating func u8(_ value: UInt8) { bytes.append(value) }
  public mutating func u16(_ value: UInt16) { integer(value) }
  public mutating func u32(_ value: UInt32) { integer(value) }
  public mutating func u64(_ value: UInt64) { integer(value) }

  /// The low 24 bits of `value`.
  public mutating func u24(_ value: UInt32) {
    u8(UInt8(truncatingIfNeeded: value >> 16))
    u16(UInt16(truncatingIfNeeded: value))
  }

  public mutating func append(_ run: some Sequence<UInt8>) { bytes.append(contentsOf: run) }

  /// Adds `value` until `count` is a multiple of `alignment`.
  public mutating func pad(to alignment: Int, with value: UInt8 = 0) {
    while bytes.count % alignment != 0 { bytes.append(value) }
  }

  /// Overwrites two bytes at `offset`, for lengths known only at the end. Does nothing past the end.
  public mutating func setU16(_ value: UInt16, at offset: Int) {
    guard offset >= 0, offset + 2 <= bytes.count else { return }
    bytes[offset] = UInt8(truncatingIfNeeded: value >> 8)
    bytes[offset + 1] = UInt8(truncatingIfNeeded: value)
  }

  private mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }
}
