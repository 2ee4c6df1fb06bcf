import Wire

/// Walks over the attributes of a message without interpreting them (RFC 8489 section 14).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Type                  |            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Value (variable)                ....
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
/// The length is that of the value alone; padding up to four bytes follows it.
struct AttributeScanner {
  private var reader: ByteReader

  struct Attribute {
    /// Index of the attribute's first byte.
    var start: Int
    var type: UInt16
    var value: ArraySlice<UInt8>
  }

  /// `bytes` are what follows the header; their indices are kept.
  init(_ bytes: ArraySlice<UInt8>) { reader = ByteReader(bytes) }

  /// The next attribute; nil at the end.
  mutating func next() throws(STUNMessage.ParsingError) -> Attribute? {
    if reader.isAtEnd { return nil }
    let start = reader.position
    guard let type = reader.u16(), let length = reader.u16() else { throw .badLength }
    guard let value = reader.take(Int(length)), reader.advance(by: -Int(length) & 3) else {
      throw .truncatedAttribute(type)
    }
    return Attribute(start: start, type: type, value: value)
  }
}

extension STUNMessage {
  /// The value of USERNAME in a STUN request, found in place and without decoding the rest; nil if `bytes` are no STUN
  /// request or have none. Nothing is verified.
  public static func username(ofRequest bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard bytes.count >= headerSize, bytes[0] & 0xc1 == 0, bytes[1] & 0x10 == 0,
      bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self).bigEndian == magicCookie
    else { return nil }
    var offset = headerSize
    while offset + 4 <= bytes.count {
      let type = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self).bigEndian
      let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self).bigEndian)
      let end = offset + 4 + length
      guard end <= bytes.count else { return nil }
      if type == AttributeType.username { return UnsafeRawBufferPointer(rebasing: bytes[offset + 4..<end]) }
      offset = end + (-length & 3)
    }
    return nil
  }

  static func firstAttribute(_ type: UInt16, in bytes: [UInt8]) -> AttributeScanner.Attribute? {
    guard bytes.count >= headerSize else { return nil }
    var scanner = AttributeScanner(bytes[headerSize...])
    while let attribute = try? scanner.next() {
      if attribute.type == type { return attribute }
    }
    return nil
  }
}
