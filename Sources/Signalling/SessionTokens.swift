import Foundation
import JWTKit
import SFU

/// Why a token is refused. The texts are for clients and hold nothing of the token.
public enum TokenError: Error, Hashable, Sendable {
  case missing
  case malformed(String)
  case foreign
  case expired
  case notYetValid

  public var message: String {
    switch self {
    case .missing: "this server wants a token; none was sent"
    case .malformed(let reason): "the token is malformed: \(reason)"
    case .foreign: "the token is foreign: it was not signed with this server's secret"
    case .expired: "the token has expired"
    case .notYetValid: "the token is not valid yet (nbf)"
    }
  }
}

/// Makes and verifies session tokens: JWTs (RFC 7519) signed with HS256 and this server's secret.
public struct SessionTokens: Sendable {
  /// Shorter secrets are refused: RFC 7518 section 3.2 wants a key of at least the hash's size.
  public static let minimumSecretBytes = 32
  private static let algorithmName = "HS256"

  private let algorithm: any JWTAlgorithm

  /// Throws only if the JWT library cannot take the secret.
  public init(secret: String) async throws {
    let keys = JWTKeyCollection()
    algorithm = try await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256).getKey()
  }

  /// A token for `grants`, valid from `issuedAt` for `lifetime` seconds.
  public func make(_ grants: Grants, issuedAt: Date, lifetime: Double) throws -> String {
    let claims = Claims(
      room: grants.room, sub: grants.identity, canPublish: grants.canPublish, canSubscribe: grants.canSubscribe,
      exp: issuedAt.timeIntervalSince1970.rounded(.down) + lifetime, nbf: nil)
    let encoder = JSONEncoder()
    let header = Data(#"{"alg":"HS256","typ":"JWT"}"#.utf8)
    let signed = base64URL(header) + "." + base64URL(try encoder.encode(claims))
    return signed + "." + base64URL(Data(try algorithm.sign(Data(signed.utf8))))
  }

  /// What the token grants at `now`.
  public func verify(_ token: String?, now: Date) throws(TokenError) -> Grants {
    guard let token, !token.isEmpty else { throw .missing }
    let claims = try authenticate([UInt8](token.utf8))
    let seconds = now.timeIntervalSince1970
    guard let expiry = claims.exp else { throw .malformed("it has no expiry (exp)") }
    guard seconds < expiry else { throw .expired }
    if let start = claims.nbf, seconds < start { throw .notYetValid }
    return Grants(
      room: claims.room, identity: claims.sub, canPublish: claims.canPublish ?? true,
      canSubscribe: claims.canSubscribe ?? true)
  }

  /// The claims, once the signature is known to be ours.
  private func authenticate(_ token: [UInt8]) throws(TokenError) -> Claims {
    let parser = DefaultJWTParser()
    guard let parts = try? parser.getTokenParts(token) else { throw .malformed("it is not three parts joined by dots") }
    guard let parsed = try? parser.parse(token, as: Claims.self) else {
      throw .malformed("its header or claims are not the JSON expected")
    }
    guard parsed.header.alg == Self.algorithmName else { throw .malformed("its algorithm must be HS256") }
    guard parsed.header.crit == nil else { throw .malformed("its header has critical extensions (crit)") }
    let signed = parts.header + [UInt8(ascii: ".")] + parts.payload
    guard (try? algorithm.verify(parsed.signature, signs: signed)) == true else { throw .foreign }
    return parsed.payload
  }

  private func base64URL(_ data: Data) -> String {
    data.base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
      .replacingOccurrences(of: "=", with: "")
  }
}

/// Claims of a session token. `sub` is the only name its bearer may take.
private struct Claims: JWTPayload {
  var room: String?
  var sub: String?
  var canPublish: Bool?
  var canSubscribe: Bool?
  /// Seconds since 1970.
  var exp: Double?
  var nbf: Double?

  /// Times are checked by `SessionTokens.verify`, to which the time is an argument.
  func verify(using algorithm: some JWTAlgorithm) async throws {}
}
