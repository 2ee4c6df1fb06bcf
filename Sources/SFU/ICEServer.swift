/// A STUN or TURN server that clients are told of, as browsers take it (RTCIceServer of the WebRTC specification). We are
/// reachable without; a TURN server helps clients whose network lets no UDP through.
public struct ICEServer: Hashable, Sendable, Codable {
  public var urls: [String]
  /// Of a TURN server.
  public var username: String?
  public var credential: String?

  public init(urls: [String], username: String? = nil, credential: String? = nil) {
    self.urls = urls
    self.username = username
    self.credential = credential
  }

  /// What `init(_:)` takes, for people.
  public static let form =
    "stun:HOST[:PORT] or turn:USER:PASSWORD@HOST[:PORT][?transport=udp|tcp] (also stuns:, turns:)"

  /// Reads a URI of RFC 7064 or RFC 7065, with the user and the password of a TURN server before its host; what they
  /// contain of ":", "@", "," and "%" is percent-encoded. nil if it is none.
  public init?(_ text: String) {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let scheme = text[..<colon]
    let rest = text[text.index(after: colon)...]
    switch scheme {
    case "stun", "stuns":
      guard Self.isAuthority(rest) else { return nil }
      self.init(urls: [text])
    case "turn", "turns":
      guard let at = rest.lastIndex(of: "@"), let (user, password) = Self.identity(rest[..<at]) else { return nil }
      let parts = rest[rest.index(after: at)...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
      let isKnownTransport = parts.count == 1 || parts[1] == "transport=udp" || parts[1] == "transport=tcp"
      guard let server = parts.first, Self.isAuthority(server), isKnownTransport else { return nil }
      self.init(urls: ["\(scheme):\(parts.joined(separator: "?"))"], username: user, credential: password)
    default: return nil
    }
  }

  private static func identity(_ text: Substring) -> (user: String, password: String)? {
    let words = text.split(separator: ":", omittingEmptySubsequences: false).map(decoded)
    guard words.count == 2, let user = words[0], let password = words[1], !user.isEmpty, !password.isEmpty else {
      return nil
    }
    return (user, password)
  }

  /// Without percent-encoding (RFC 3986 section 2.1); nil if that is broken or no UTF-8.
  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// A host name, an IPv4 address or an IPv6 address in brackets; then perhaps a port.
  private static func isAuthority(_ text: Substring) -> Bool {
    var host = text
    if text.first == "[" {
      guard let end = text.firstIndex(of: "]") else { return false }
      host = text[text.index(after: end)...]
      guard text[..<end].dropFirst().allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return false }
      return host.isEmpty || (host.first == ":" && isPort(host.dropFirst()))
    }
    if let colon = text.firstIndex(of: ":") {
      guard isPort(text[text.index(after: colon)...]) else { return false }
      host = text[..<colon]
    }
    return !host.isEmpty && host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") }
  }

  private static func isPort(_ text: Substring) -> Bool { UInt16(text).map { $0 > 0 } ?? false }
}
