/// Reads big-endian integers and byte runs from a packet, in order. Every read is bounded: past the end it returns nil and
/// moves nothing.
public struct ByteReader: Sendable {
  public let bytes: ArraySlice<UInt8>
  public private(set) var position: Int

  public init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  public init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  public var remaining: Int { bytes.endIndex - position }
  public var isAtEnd: Bool { remaining == 0 }

  public mutating func u8() -> UInt8? {
    guard remaining >= 1 else { return nil }
    defer { position += 1 }
    return bytes[position]
  }

  public mutating func u16() -> UInt16? { integer() }
  public mutating func u32() -> UInt32? { integer() }
  public mutating func u64() -> UInt64? { integer() }

  public mutating func u24() -> UInt32? {
    guard remaining >= 3 else { return nil }
    defer { position += 3 }
    return UInt32(bytes[position]) << 16 | UInt32(bytes[position + 1]) << 8 | UInt32(bytes[position + 2])
  }

  /// The next `count` bytes; nil if there are fewer, or `count` is negative.
  public mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, remaining >= count else { return nil }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// All that is left.
  public mutating func rest() -> ArraySlice<UInt8> {
    defer { position = bytes.endIndex }
    return bytes[position...]
  }

  /// Passes over `count` octets; false, and nothing is passed over, if there are fewer.
  public mutating func advance(by count: Int) -> Bool { take(count) != nil }

  private mutating func integer<T: FixedWidthInteger & UnsignedInteger>() -> T? {
    let size = T.bitWidth / 8
    guard remaining >= size else { return nil }
    defer { position += size }
    return bytes[position..<position + size].reduce(0) { $0 << 8 | T($1) }
  }
}
