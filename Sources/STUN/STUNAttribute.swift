import Wire

/// One attribute of a STUN message, its value interpreted (RFC 8489 section 14, RFC 8445 section 16.1).
public enum STUNAttribute: Hashable, Sendable {
  case mappedAddress(SocketAddress)
  /// "<their ufrag>:<our ufrag>" in a connectivity check, seen from the sender.
  case username(String)
  /// HMAC-SHA1 over the message up to here: 20 bytes.
  case messageIntegrity([UInt8])
  case errorCode(STUNErrorCode)
  /// The attribute types that a 420 response complains about.
  case unknownAttributes([UInt16])
  case realm(String)
  case nonce(String)
  case xorMappedAddress(SocketAddress)
  /// The priority that a peer-reflexive candidate learned from this check would have.
  case priority(UInt32)
  /// The controlling agent nominates this pair.
  case useCandidate
  case software(String)
  /// CRC-32 over the message up to here, XORed with 0x5354554e.
  case fingerprint(UInt32)
  /// The sender is controlled; its tie-breaker.
  case iceControlled(UInt64)
  /// The sender is controlling; its tie-breaker.
  case iceControlling(UInt64)
  /// One that is not known here, or a comprehension-optional one whose value is not legal.
  case other(type: UInt16, value: [UInt8])

  /// Types below 0x8000 must be understood by the receiver, or the request fails with 420 (RFC 8489 section 14).
  public static func isComprehensionRequired(_ type: UInt16) -> Bool { type < 0x8000 }
}

enum AttributeType {
  static let mappedAddress: UInt16 = 0x0001
  static let username: UInt16 = 0x0006
  static let messageIntegrity: UInt16 = 0x0008
  static let errorCode: UInt16 = 0x0009
  static let unknownAttributes: UInt16 = 0x000a
  static let realm: UInt16 = 0x0014
  static let nonce: UInt16 = 0x0015
  static let xorMappedAddress: UInt16 = 0x0020
  static let priority: UInt16 = 0x0024
  static let useCandidate: UInt16 = 0x0025
  static let software: UInt16 = 0x8022
  static let fingerprint: UInt16 = 0x8028
  static let iceControlled: UInt16 = 0x8029
  static let iceControlling: UInt16 = 0x802a
}

extension STUNAttribute {
  public var type: UInt16 {
    switch self {
    case .mappedAddress: AttributeType.mappedAddress
    case .username: AttributeType.username
    case .messageIntegrity: AttributeType.messageIntegrity
    case .errorCode: AttributeType.errorCode
    case .unknownAttributes: AttributeType.unknownAttributes
    case .realm: AttributeType.realm
    case .nonce: AttributeType.nonce
    case .xorMappedAddress: AttributeType.xorMappedAddress
    case .priority: AttributeType.priority
    case .useCandidate: AttributeType.useCandidate
    case .software: AttributeType.software
    case .fingerprint: AttributeType.fingerprint
    case .iceControlled: AttributeType.iceControlled
    case .iceControlling: AttributeType.iceControlling
    case .other(let type, _): type
    }
  }

  static func decode(
    _ type: UInt16, _ value: ArraySlice<UInt8>, _ transactionID: STUNTransactionID
  ) throws(STUNMessage.ParsingError) -> STUNAttribute {
    if let attribute = interpret(type, value, transactionID) { return attribute }
    if isComprehensionRequired(type) || type == AttributeType.fingerprint { throw .malformedAttribute(type) }
    return .other(type: type, value: Array(value))
  }

  /// nil if the type is known and its value is not legal.
  private static func interpret(
    _ type: UInt16, _ value: ArraySlice<UInt8>, _ transactionID: STUNTransactionID
  ) -> STUNAttribute? {
    switch type {
    case AttributeType.mappedAddress: STUNAddress(value).map { .mappedAddress($0.socketAddress) }
    case AttributeType.username: text(value).map { .username($0) }
    case AttributeType.messageIntegrity: value.count == 20 ? .messageIntegrity(Array(value)) : nil
    case AttributeType.errorCode: STUNErrorCode(value).map { .errorCode($0) }
    case AttributeType.unknownAttributes: types(value).map { .unknownAttributes($0) }
    case AttributeType.realm: text(value).map { .realm($0) }
    case AttributeType.nonce: text(value).map { .nonce($0) }
    case AttributeType.xorMappedAddress:
      STUNAddress(value).map { .xorMappedAddress($0.xored(with: transactionID).socketAddress) }
    case AttributeType.priority: integer(value).map { .priority($0) }
    case AttributeType.useCandidate: value.isEmpty ? .useCandidate : nil
    case AttributeType.software: text(value).map { .software($0) }
    case AttributeType.fingerprint: integer(value).map { .fingerprint($0) }
    case AttributeType.iceControlled: integer(value).map { .iceControlled($0) }
    case AttributeType.iceControlling: integer(value).map { .iceControlling($0) }
    default: .other(type: type, value: Array(value))
    }
  }

  private static func text(_ value: ArraySlice<UInt8>) -> String? { String(validating: value, as: UTF8.self) }

  private static func integer<T: FixedWidthInteger & UnsignedInteger>(_ value: ArraySlice<UInt8>) -> T? {
    value.count * 8 == T.bitWidth ? value.reduce(0) { $0 << 8 | T($1) } : nil
  }

  private static func types(_ value: ArraySlice<UInt8>) -> [UInt16]? {
    guard value.count % 2 == 0 else { return nil }
    return stride(from: value.startIndex, to: value.endIndex, by: 2).map {
      UInt16(value[$0]) << 8 | UInt16(value[$0 + 1])
    }
  }
}

extension ByteWriter {
  mutating func append(_ attribute: STUNAttribute, _ transactionID: STUNTransactionID, padding: UInt8) {
    let start = count
    u16(attribute.type)
    u16(0)
    appendValue(of: attribute, transactionID)
    setU16(UInt16(truncatingIfNeeded: count - start - 4), at: start + 2)
    pad(to: 4, with: padding)
  }

  private mutating func appendValue(of attribute: STUNAttribute, _ transactionID: STUNTransactionID) {
    switch attribute {
    case .username(let text), .realm(let text), .nonce(let text), .software(let text): append(text.utf8)
    case .messageIntegrity(let bytes), .other(_, let bytes): append(bytes)
    case .errorCode(let error): append(error)
    case .unknownAttributes(let types): for type in types { u16(type) }
    case .mappedAddress(let address): append(STUNAddress(address))
    case .xorMappedAddress(let address): append(STUNAddress(address).xored(with: transactionID))
    case .priority(let value), .fingerprint(let value): u32(value)
    case .useCandidate: break
    case .iceControlled(let tieBreaker), .iceControlling(let tieBreaker): u64(tieBreaker)
    }
  }
}
