import COpenSSL
import Foundation
import SFU
import Signalling
import Testing

@Suite struct SessionTokenTests {
  private let now = Date(timeIntervalSince1970: 1_700_000_000)
  private let secret = "0123456789abcdef0123456789abcdef"

  private func tokens(_ secret: String? = nil) -> SessionTokens {
    SessionTokens(secret: secret ?? self.secret)
  }

  private func error(_ token: String?, _ tokens: SessionTokens, at date: Date? = nil) -> TokenError? {
    do throws(TokenError) {
      _ = try tokens.verify(token, now: date ?? now)
      return nil
    } catch { return error }
  }

  @Test func grantsWhatItWasMadeFor() throws {
    let tokens = tokens()
    let grants = Grants(room: "r", identity: "n", canPublish: false, canSubscribe: true)
    let token = try tokens.make(grants, issuedAt: now, lifetime: 60)
    #expect(try tokens.verify(token, now: now) == grants)
    #expect(try tokens.verify(token, now: now.addingTimeInterval(89)) == grants, "clocks differ")
    #expect(error(token, tokens, at: now.addingTimeInterval(90)) == .expired)
  }

  /// Made with another implementation: Python's hmac and base64 over {"alg":"HS256","typ":"JWT"}
  /// and {"room":"blue","sub":"anna","exp":1700000060,"nbf":1700000010}.
  private let foreignMade =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    + ".eyJyb29tIjoiYmx1ZSIsInN1YiI6ImFubmEiLCJleHAiOjE3MDAwMDAwNjAsIm5iZiI6MTcwMDAwMDAxMH0"
    + ".xDImc--UuVAx0BAwLBoZ-pdRZE-zXYw9CimVxIRbZxI"

  @Test func takesTokensOfOtherImplementations() throws {
    let tokens = tokens()
    #expect(error(foreignMade, tokens, at: now.addingTimeInterval(-21)) == .notYetValid)
    #expect(try tokens.verify(foreignMade, now: now.addingTimeInterval(-20)) == Grants(room: "blue", identity: "anna"))
  }

  @Test func refusesForeignOnes() throws {
    let token = try tokens("another secret, also long enough!").make(.everything, issuedAt: now, lifetime: 60)
    #expect(error(token, tokens()) == .foreign)
    let own = try tokens().make(Grants(room: "r"), issuedAt: now, lifetime: 60)
    let parts = own.split(separator: ".")
    let forged = Data(#"{"exp":1800000000}"#.utf8).base64EncodedString().replacing("=", with: "")
    #expect(error("\(parts[0]).\(forged).\(parts[2])", tokens()) == .foreign)
  }

  @Test func refusesOtherAlgorithms() throws {
    let header = Data(#"{"alg":"none"}"#.utf8).base64EncodedString().replacing("=", with: "")
    let claims = Data(#"{"exp":1800000000}"#.utf8).base64EncodedString().replacing("=", with: "")
    #expect(error("\(header).\(claims).", tokens()) == .malformed("its algorithm must be HS256"))
  }

  @Test(arguments: ["x", "a.b", "a.b.c", "....", "\u{0}.\u{0}.\u{0}"])
  func refusesMalformedOnes(token: String) {
    guard case .malformed = error(token, tokens()) else {
      Issue.record("\(token) is not called malformed")
      return
    }
  }

  @Test(arguments: ["room", "sub", "canPublish", "canSubscribe", "nbf", "exp"])
  func aClaimThatIsNullGrantsNothing(claim: String) {
    let exp = claim == "exp" ? "" : #""exp":9999999999,"#
    #expect(
      error(signed(claims: #"{\#(exp)"\#(claim)":null}"#), tokens(), at: Date())
        == .malformed("its claims are not the JSON expected"))
  }

  private func base64URL(_ octets: some Sequence<UInt8>) -> String {
    Data(octets).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  private func token(header: String, claims: String = "{}") -> String {
    base64URL(header.utf8) + "." + base64URL(claims.utf8) + ".AAAA"
  }

  private func signed(claims: String) -> String {
    let text = base64URL(#"{"alg":"HS256"}"#.utf8) + "." + base64URL(claims.utf8)
    var code = [UInt8](repeating: 0, count: 32)
    HMAC(EVP_sha256(), secret, Int32(secret.utf8.count), text, text.utf8.count, &code, nil)
    return text + "." + base64URL(code)
  }

  /// Headers that a library may trip over, and ones that cost more the deeper or longer they are.
  static let hostileHeaders: [String] =
    ["1e300", "-1e300", "1E999", "9223372036854775808", "1.5", "\"x\"", "null", "{}", "[1]", "\"\\ud800\""].map {
      #"{"alg":"HS256","x":\#($0)}"#
    } + [
      #"{"alg":1e300}"#, #"{"alg":["HS256"]}"#, #"{"alg":null}"#, "[]", "1e300", "", "null", "\u{feff}{}",
      #"{"alg":"HS256","x":"# + String(repeating: "[", count: 400),
      #"{"alg":"HS256","x":"# + String(repeating: "[", count: 200) + String(repeating: "]", count: 200) + "}",
      #"{"alg":"HS256","x":"# + String(repeating: #"{"a":"#, count: 80) + "1" + String(repeating: "}", count: 81),
      #"{"alg":"HS256","x":"# + String(repeating: "9", count: 100_000) + "}",
      #"{"alg":"HS256","x":["# + String(repeating: "1e300,", count: 50_000) + "1]}",
      #"{"alg":"HS256","crit":["exp"]}"#,
    ]

  @Test(arguments: hostileHeaders)
  func refusesHostileHeaders(header: String) {
    switch error(token(header: header), tokens()) {
    case .malformed, .foreign: break
    case let other: Issue.record("\(header.prefix(80)): \(String(describing: other))")
    }
  }

  /// Its bearer knows the secret, so this is the operator's mistake; it must not cost more than a refusal either.
  @Test(arguments: ["1e300", "-1e300", "1e999", "{}", "\"1\"", "null", String(repeating: "[", count: 2000)])
  func bearsSignedClaimsThatMeanNothing(expiry: String) {
    let refusal = error(signed(claims: #"{"exp":\#(expiry)}"#), tokens())
    #expect(refusal == (expiry == "1e300" ? nil : refusal ?? .missing))
    #expect(refusal != .foreign)
  }

  @Test func refusesLongOnesUnread() {
    let long = token(header: #"{"alg":"HS256"}"#, claims: String(repeating: " ", count: 4000))
    #expect(error(long, tokens()) == .malformed("it is longer than 4096 bytes"))
    let header = token(header: #"{"alg":"HS256","kid":"\#(String(repeating: "k", count: 500))"}"#)
    #expect(error(header, tokens()) == .malformed("its header is longer than 512 bytes"))
  }

  @Test(arguments: ["+", "/", "=", " ", "\n", "é", "\u{0}"])
  func takesTheAlphabetAlone(character: String) throws {
    let token = try tokens().make(.everything, issuedAt: now, lifetime: 60)
    #expect(error(token + character, tokens()) == .malformed("its parts are not base64url"))
  }

  @Test func wantsOne() {
    #expect(error(nil, tokens()) == .missing)
    #expect(error("", tokens()) == .missing)
  }
}
