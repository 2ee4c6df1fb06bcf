import Foundation
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

  /// Seconds by which the clocks of whoever made a token and of this server may differ (RFC 7519 sections 4.1.4, 4.1.5).
  public static let leeway: Double = 30

  private let key: HMACKey

  public init(secret: String) { key = HMACKey([UInt8](secret.utf8)) }

  /// A token for `grants`, valid from `issuedAt` for `lifetime` seconds.
  public func make(_ grants: Grants, issuedAt: Date, lifetime: Double) throws -> String {
    let claims = Claims(
      room: grants.room, sub: grants.identity, canPublish: grants.canPublish, canSubscribe: grants.canSubscribe,
      exp: issuedAt.timeIntervalSince1970.rounded(.down) + lifetime, nbf: nil)
    return SignedToken.make(claims: [UInt8](try JSONEncoder().encode(claims)), key: key)
  }

  /// What the token grants at `now`. Nothing that a stranger wrote is read as JSON but a header within
  /// `SignedToken`'s bounds: the claims are read once the signature is known to be ours.
  public func verify(_ token: String?, now: Date) throws(TokenError) -> Grants {
    guard let token, !token.isEmpty else { throw .missing }
    let claims = try read(try SignedToken(token).claims(signedWith: key))
    let seconds = now.timeIntervalSince1970
    guard let expiry = claims.exp else { throw .malformed("it has no expiry (exp)") }
    guard seconds < expiry + Self.leeway else { throw .expired }
    if let start = claims.nbf, seconds < start - Self.leeway { throw .notYetValid }
    return Grants(
      room: claims.room, identity: claims.sub, canPublish: claims.canPublish ?? true,
      canSubscribe: claims.canSubscribe ?? true)
  }

  private func read(_ text: [UInt8]) throws(TokenError) -> Claims {
    guard (try? JSONGrammar.check(text)) != nil, let claims = try? JSONDecoder().decode(Claims.self, from: Data(text))
    else { throw .malformed("its claims are not the JSON expected") }
    return claims
  }
}

/// Claims of a session token. `sub` is the only name its bearer may take.
private struct Claims: Codable {
  var room: String?
  var sub: String?
  var canPublish: Bool?
  var canSubscribe: Bool?
  /// Seconds since 1970.
  var exp: Double?
  var nbf: Double?
}

extension Claims {
  /// A claim that is there and null grants nothing: it is a mistake of whoever made the token, and not a claim left out.
  init(from decoder: any Decoder) throws {
    let claims = try decoder.container(keyedBy: CodingKeys.self)
    func claim<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
      claims.contains(key) ? try claims.decode(Value.self, forKey: key) : nil
    }
    self.init(
      room: try claim(.room), sub: try claim(.sub), canPublish: try claim(.canPublish),
      canSubscribe: try claim(.canSubscribe), exp: try claim(.exp), nbf: try claim(.nbf))
  }
}
