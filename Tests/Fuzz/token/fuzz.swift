import Foundation
import SFU

@testable import Tokens

/// Any text a stranger may send as a token: refused, and never a trap. The same octets as a header and as claims that are
/// signed reach what only well-formed tokens do.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let octets = [UInt8](UnsafeBufferPointer(start: data, count: size))
  let tokens = SessionTokens(secret: secret)
  let text = String(decoding: octets, as: UTF8.self)
  precondition((try? tokens.verify(text, now: now)) == nil)
  let forged = Base64URL.encode(octets) + ".e30." + Base64URL.encode(HMACKey([]).sign(octets))
  precondition((try? tokens.verify(forged, now: now)) == nil)
  _ = try? tokens.verify(SignedToken.make(claims: octets, key: HMACKey(Array(secret.utf8))), now: now)
  precondition(Base64URL.decode(Base64URL.encode(octets)[...].utf8) == octets)
  return 0
}

private let secret = "0123456789abcdef0123456789abcdef"
/// Long before the corpus's good token may be used.
private let now = Date(timeIntervalSince1970: 1_600_000_000)
