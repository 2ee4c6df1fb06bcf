import Wire

/// A STUN message (RFC 8489 section 5; RFC 5389 section 6).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0 0|     STUN Message Type     |         Message Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Magic Cookie                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                                                               |
/// |                     Transaction ID (96 bits)                  |
/// |                                                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
/// The message length counts what follows the 20-byte header.
public struct STUNMessage: Hashable, Sendable {
  public static let magicCookie: UInt32 = 0x2112_a442
  public static let headerSize = 20

  public var `class`: STUNClass
  public var method: STUNMethod
  public var transactionID: STUNTransactionID
  /// In the order of the wire. A decoded message ends with `.messageIntegrity` and `.fingerprint` if it had them;
  /// attributes between the two are not here, since nothing protects them and they must be ignored (RFC 8489 section
  /// 14.5).
  public var attributes: [STUNAttribute]

  public init(
    class messageClass: STUNClass, method: STUNMethod = .binding, transactionID: STUNTransactionID,
    attributes: [STUNAttribute] = []
  ) {
    self.class = messageClass
    self.method = method
    self.transactionID = transactionID
    self.attributes = attributes
  }

  /// Why bytes are not a STUN message.
  public enum ParsingError: Error, Hashable, Sendable {
    /// Less than a header.
    case tooShort
    /// The first two bits are not zero: another protocol (RFC 7983).
    case notSTUN
    case badMagicCookie
    /// The message length is not a multiple of four, or not what follows the header.
    case badLength
    /// An attribute goes past the end of the message.
    case truncatedAttribute(UInt16)
    /// A comprehension-required attribute, MESSAGE-INTEGRITY or FINGERPRINT whose value is not legal.
    case malformedAttribute(UInt16)
    /// FINGERPRINT has to be the last attribute (RFC 8489 section 14.7).
    case attributeAfterFingerprint(UInt16)
  }

  /// Whether `bytes` begin as a STUN message does; costs nothing for other protocols' datagrams.
  public static func isSTUN(_ bytes: [UInt8]) -> Bool {
    bytes.count >= headerSize && bytes[0] & 0xc0 == 0 && bytes[4] == 0x21 && bytes[5] == 0x12 && bytes[6] == 0xa4
      && bytes[7] == 0x42
  }

  /// Reads one datagram. Neither integrity nor fingerprint is checked here.
  public static func decode(_ bytes: [UInt8]) throws(ParsingError) -> STUNMessage {
    var reader = ByteReader(bytes)
    guard let type = reader.u16(), let length = reader.u16(), let cookie = reader.u32(),
      let idHigh = reader.u32(), let idLow = reader.u64()
    else { throw .tooShort }
    guard type & 0xc000 == 0 else { throw .notSTUN }
    guard cookie == magicCookie else { throw .badMagicCookie }
    guard length % 4 == 0, Int(length) == reader.remaining else { throw .badLength }
    let id = STUNTransactionID(high: idHigh, low: idLow)
    return STUNMessage(
      class: STUNClass(type: type), method: STUNMethod(type: type), transactionID: id,
      attributes: try decodeAttributes(reader.rest(), id))
  }

  private static func decodeAttributes(
    _ bytes: ArraySlice<UInt8>, _ transactionID: STUNTransactionID
  ) throws(ParsingError) -> [STUNAttribute] {
    var scanner = AttributeScanner(bytes)
    var attributes: [STUNAttribute] = []
    attributes.reserveCapacity(10)
    var isProtectedPartOver = false
    while let next = try scanner.next() {
      if case .fingerprint = attributes.last { throw .attributeAfterFingerprint(next.type) }
      if isProtectedPartOver && next.type != AttributeType.fingerprint { continue }
      let attribute = try STUNAttribute.decode(next.type, next.value, transactionID)
      if case .messageIntegrity = attribute { isProtectedPartOver = true }
      attributes.append(attribute)
    }
    return attributes
  }

  /// The message as it goes on the wire.
  ///
  /// - Parameters:
  ///   - integrityKey: with a key, MESSAGE-INTEGRITY is computed and appended, in place of one that `attributes` hold.
  ///     Short-term credentials: the password's bytes; long-term: `STUNMessage.longTermKey`.
  ///   - fingerprint: whether FINGERPRINT is computed and appended as the last attribute.
  ///   - padding: what fills attributes up to four bytes; any value is legal.
  ///
  /// Without key and fingerprint the attributes are written as they are, so that a decoded message becomes its bytes
  /// again. Attribute values must be below 64 KiB altogether.
  public func encode(integrityKey: [UInt8]? = nil, fingerprint: Bool = false, padding: UInt8 = 0) -> [UInt8] {
    var writer = ByteWriter(capacity: 160)
    writer.u16(self.class.typeBits | method.typeBits)
    writer.u16(0)
    writer.u32(Self.magicCookie)
    writer.append(transactionID)
    for attribute in attributes {
      if case .messageIntegrity = attribute, integrityKey != nil { continue }
      if case .fingerprint = attribute, integrityKey != nil || fingerprint { continue }
      writer.append(attribute, transactionID, padding: padding)
    }
    if let integrityKey { writer.appendIntegrity(key: integrityKey) }
    if fingerprint { writer.appendFingerprint() }
    writer.setMessageLength(of: writer.count)
    return writer.bytes
  }
}

/// What kind of message: bits C1 and C0 of the message type.
public enum STUNClass: UInt8, Hashable, Sendable {
  case request, indication, successResponse, errorResponse

  init(type: UInt16) {
    self =
      switch (type & 0x0100 != 0, type & 0x0010 != 0) {
      case (false, false): .request
      case (false, true): .indication
      case (true, false): .successResponse
      case (true, true): .errorResponse
      }
  }

  var typeBits: UInt16 { UInt16(rawValue & 2) << 7 | UInt16(rawValue & 1) << 4 }
}

/// What is asked: bits M11 to M0 of the message type. WebRTC without TURN knows only Binding.
public struct STUNMethod: RawRepresentable, Hashable, Sendable {
  /// Twelve bits.
  public let rawValue: UInt16

  public static let binding = STUNMethod(rawValue: 1)

  public init(rawValue: UInt16) { self.rawValue = rawValue & 0x0fff }

  /// The class bits stand between the method's: M11–M7 C1 M6–M4 C0 M3–M0.
  init(type: UInt16) { self.init(rawValue: (type & 0x3e00) >> 2 | (type & 0x00e0) >> 1 | type & 0x000f) }

  var typeBits: UInt16 { (rawValue & 0x0f80) << 2 | (rawValue & 0x0070) << 1 | rawValue & 0x000f }
}

extension ByteWriter {
  /// The message length as if the message ended after `total` bytes.
  mutating func setMessageLength(of total: Int) {
    setU16(UInt16(truncatingIfNeeded: total - STUNMessage.headerSize), at: 2)
  }
}
