import COpenSSL

/// A secret for HMAC-SHA256 (RFC 2104), which is what HS256 is.
struct HMACKey: Sendable {
  private let secret: [UInt8]

  init(_ secret: [UInt8]) { self.secret = secret }

  /// 32 octets.
  func sign(_ message: [UInt8]) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: 32)
    HMAC(EVP_sha256(), secret, Int32(clamping: secret.count), message, message.count, &code, nil)
    return code
  }

  /// Takes the same time wherever the difference is.
  func isSignature(_ signature: [UInt8], of message: [UInt8]) -> Bool {
    let expected = sign(message)
    return signature.count == expected.count && CRYPTO_memcmp(signature, expected, expected.count) == 0
  }
}
