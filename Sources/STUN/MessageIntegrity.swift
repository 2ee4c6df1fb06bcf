import COpenSSL
import Wire

/// MESSAGE-INTEGRITY (RFC 8489 section 14.5): HMAC-SHA1 over the message up to the attribute, with the header's message
/// length as if the message ended with the attribute.
extension STUNMessage {
  /// The 20 bytes of MESSAGE-INTEGRITY; nil if the message has none.
  public var messageIntegrity: [UInt8]? { first { if case .messageIntegrity(let mac) = $0 { mac } else { nil } } }

  /// Whether this message, decoded from `bytes`, was made by someone who knows `key`. False without MESSAGE-INTEGRITY.
  /// The comparison takes the same time wherever the difference is.
  public func verifyIntegrity(of bytes: [UInt8], key: [UInt8]) -> Bool {
    guard let received = messageIntegrity,
      let attribute = Self.firstAttribute(AttributeType.messageIntegrity, in: bytes)
    else { return false }
    var covered = ByteWriter(capacity: attribute.start)
    covered.append(bytes[..<attribute.start])
    covered.setMessageLength(of: attribute.start + integrityAttributeSize)
    let expected = hmacSHA1(covered.bytes, key: key)
    return received.count == expected.count && CRYPTO_memcmp(received, expected, expected.count) == 0
  }

  /// The key of long-term credentials (RFC 8489 section 9.2.2): MD5 of "username:realm:password". `password` has to be
  /// prepared already (OpaqueString, RFC 8265). That of short-term credentials is the password itself.
  public static func longTermKey(username: String, realm: String, password: String) -> [UInt8] {
    let text = Array("\(username):\(realm):\(password)".utf8)
    var digest = [UInt8](repeating: 0, count: 16)
    EVP_Digest(text, text.count, &digest, nil, EVP_md5(), nil)
    return digest
  }
}

private let integrityAttributeSize = 24

extension ByteWriter {
  mutating func appendIntegrity(key: [UInt8]) {
    setMessageLength(of: count + integrityAttributeSize)
    let mac = hmacSHA1(bytes, key: key)
    u16(AttributeType.messageIntegrity)
    u16(20)
    append(mac)
  }
}

private func hmacSHA1(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
  var mac = [UInt8](repeating: 0, count: 20)
  HMAC(EVP_sha1(), key, Int32(clamping: key.count), message, message.count, &mac, nil)
  return mac
}
