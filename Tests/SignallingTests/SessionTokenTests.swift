import Foundation
import SFU
import Signalling
import Testing

@Suite struct SessionTokenTests {
  private let now = Date(timeIntervalSince1970: 1_700_000_000)
  private let secret = "0123456789abcdef0123456789abcdef"

  private func tokens(_ secret: String? = nil) async throws -> SessionTokens {
    try await SessionTokens(secret: secret ?? self.secret)
  }

  private func error(_ token: String?, _ tokens: SessionTokens, at date: Date? = nil) -> TokenError? {
    do throws(TokenError) {
      _ = try tokens.verify(token, now: date ?? now)
      return nil
    } catch { return error }
  }

  @Test func grantsWhatItWasMadeFor() async throws {
    let tokens = try await tokens()
    let grants = Grants(room: "r", identity: "n", canPublish: false, canSubscribe: true)
    let token = try tokens.make(grants, issuedAt: now, lifetime: 60)
    #expect(try tokens.verify(token, now: now) == grants)
    #expect(try tokens.verify(token, now: now.addingTimeInterval(59)) == grants)
    #expect(error(token, tokens, at: now.addingTimeInterval(60)) == .expired)
  }

  /// Made with another implementation: Python's hmac and base64 over {"alg":"HS256","typ":"JWT"}
  /// and {"room":"blue","sub":"anna","exp":1700000060,"nbf":1700000010}.
  private let foreignMade =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    + ".eyJyb29tIjoiYmx1ZSIsInN1YiI6ImFubmEiLCJleHAiOjE3MDAwMDAwNjAsIm5iZiI6MTcwMDAwMDAxMH0"
    + ".xDImc--UuVAx0BAwLBoZ-pdRZE-zXYw9CimVxIRbZxI"

  @Test func takesTokensOfOtherImplementations() async throws {
    let tokens = try await tokens()
    #expect(error(foreignMade, tokens) == .notYetValid)
    #expect(try tokens.verify(foreignMade, now: now.addingTimeInterval(10)) == Grants(room: "blue", identity: "anna"))
  }

  @Test func refusesForeignOnes() async throws {
    let token = try await tokens("another secret, also long enough!").make(.everything, issuedAt: now, lifetime: 60)
    #expect(error(token, try await tokens()) == .foreign)
    let own = try await tokens().make(Grants(room: "r"), issuedAt: now, lifetime: 60)
    let parts = own.split(separator: ".")
    let forged = Data(#"{"exp":1800000000}"#.utf8).base64EncodedString().replacing("=", with: "")
    #expect(error("\(parts[0]).\(forged).\(parts[2])", try await tokens()) == .foreign)
  }

  @Test func refusesOtherAlgorithms() async throws {
    let header = Data(#"{"alg":"none"}"#.utf8).base64EncodedString().replacing("=", with: "")
    let claims = Data(#"{"exp":1800000000}"#.utf8).base64EncodedString().replacing("=", with: "")
    #expect(error("\(header).\(claims).", try await tokens()) == .malformed("its algorithm must be HS256"))
  }

  @Test(arguments: ["x", "a.b", "a.b.c", "....", "\u{0}.\u{0}.\u{0}"])
  func refusesMalformedOnes(token: String) async throws {
    guard case .malformed = error(token, try await tokens()) else {
      Issue.record("\(token) is not called malformed")
      return
    }
  }

  @Test func wantsOne() async throws {
    #expect(error(nil, try await tokens()) == .missing)
    #expect(error("", try await tokens()) == .missing)
  }
}
