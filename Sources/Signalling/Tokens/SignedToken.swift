import Foundation

/// A JWT as it travels: a JWS in compact serialization (RFC 7515 section 7.1), signed with HS256 (RFC 7518 section 3.2).
///
/// ```
/// BASE64URL(header) "." BASE64URL(claims) "." BASE64URL(HMAC-SHA256 of all before the second dot)
/// ```
///
/// Anyone may send one, so its length is checked before its form, and its form before anything is parsed.
struct SignedToken {
  /// Octets of a token: one with all our claims has some 200, one of an identity provider with many of its own below 2000.
  static let maximumBytes = 4096
  /// Octets of the JOSE header, decoded: `alg`, `typ`, and perhaps a key's name.
  static let maximumHeaderBytes = 512

  private let signed: Substring.UTF8View
  private let claims: [UInt8]
  private let signature: [UInt8]

  /// Takes a token apart whose header says HS256; says nothing about whose it is.
  init(_ token: String) throws(TokenError) {
    guard token.utf8.count <= Self.maximumBytes else {
      throw .malformed("it is longer than \(Self.maximumBytes) bytes")
    }
    let parts = token.utf8.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .malformed("it is not three parts joined by dots") }
    guard let header = Base64URL.decode(parts[0]), let claims = Base64URL.decode(parts[1]),
      let signature = Base64URL.decode(parts[2])
    else { throw .malformed("its parts are not base64url") }
    try Self.check(header)
    signed = token[..<parts[1].endIndex].utf8
    self.claims = claims
    self.signature = signature
  }

  /// The claims, if they were signed with `key`. They are JSON only if the signer wrote JSON.
  func claims(signedWith key: HMACKey) throws(TokenError) -> [UInt8] {
    guard key.isSignature(signature, of: Array(signed)) else { throw .foreign }
    return claims
  }

  static func make(claims: [UInt8], key: HMACKey) -> String {
    let signed = Base64URL.encode(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8)) + "." + Base64URL.encode(claims)
    return signed + "." + Base64URL.encode(key.sign(Array(signed.utf8)))
  }

  /// The header decides nothing: the algorithm is HS256 or the token is refused (RFC 8725 section 3.1).
  private static func check(_ header: [UInt8]) throws(TokenError) {
    guard header.count <= maximumHeaderBytes else {
      throw .malformed("its header is longer than \(maximumHeaderBytes) bytes")
    }
    guard (try? JSONGrammar.check(header)) != nil,
      let fields = try? JSONDecoder().decode(Header.self, from: Data(header))
    else { throw .malformed("its header is not the JSON expected") }
    guard fields.alg == "HS256" else { throw .malformed("its algorithm must be HS256") }
    guard !fields.hasCritical else { throw .malformed("its header has critical extensions (crit)") }
  }

  /// Only what is looked at is decoded.
  private struct Header: Decodable {
    let alg: String
    let hasCritical: Bool

    private enum Key: String, CodingKey { case alg, crit }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: Key.self)
      alg = try fields.decode(String.self, forKey: .alg)
      hasCritical = fields.contains(.crit)
    }
  }
}
