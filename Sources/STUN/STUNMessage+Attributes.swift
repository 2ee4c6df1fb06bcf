import Wire

/// The attributes by name. Where one is repeated, the first counts (RFC 8489 section 14).
extension STUNMessage {
  public var username: String? { first { if case .username(let name) = $0 { name } else { nil } } }
  public var priority: UInt32? { first { if case .priority(let priority) = $0 { priority } else { nil } } }
  public var useCandidate: Bool { attributes.contains(.useCandidate) }
  /// The tie-breaker of a sender that believes to be controlling.
  public var iceControlling: UInt64? {
    first { if case .iceControlling(let tieBreaker) = $0 { tieBreaker } else { nil } }
  }
  /// The tie-breaker of a sender that believes to be controlled.
  public var iceControlled: UInt64? {
    first { if case .iceControlled(let tieBreaker) = $0 { tieBreaker } else { nil } }
  }
  public var errorCode: STUNErrorCode? { first { if case .errorCode(let error) = $0 { error } else { nil } } }
  /// What a 420 response complains about.
  public var unknownAttributes: [UInt16]? {
    first { if case .unknownAttributes(let types) = $0 { types } else { nil } }
  }
  public var xorMappedAddress: SocketAddress? {
    first { if case .xorMappedAddress(let address) = $0 { address } else { nil } }
  }
  public var mappedAddress: SocketAddress? {
    first { if case .mappedAddress(let address) = $0 { address } else { nil } }
  }
  public var software: String? { first { if case .software(let name) = $0 { name } else { nil } } }
  public var realm: String? { first { if case .realm(let realm) = $0 { realm } else { nil } } }
  public var nonce: String? { first { if case .nonce(let nonce) = $0 { nonce } else { nil } } }

  /// The types of attributes that this message requires its receiver to understand and that are not known here, each
  /// once.
  public var unknownComprehensionRequired: [UInt16] {
    var types: [UInt16] = []
    for case .other(let type, _) in attributes
    where STUNAttribute.isComprehensionRequired(type) && !types.contains(type) {
      types.append(type)
    }
    return types
  }

  func first<Value>(_ value: (STUNAttribute) -> Value?) -> Value? {
    for attribute in attributes {
      if let value = value(attribute) { return value }
    }
    return nil
  }
}
