/// The username fragment and password of one agent for one ICE session (RFC 8445 section 5.3).
public struct ICECredentials: Hashable, Sendable {
  public var usernameFragment: String
  public var password: String

  public init(usernameFragment: String, password: String) {
    self.usernameFragment = usernameFragment
    self.password = password
  }

  /// New ones from the system's random numbers: 48 bits of username fragment, 144 bits of password.
  public static func random() -> ICECredentials {
    var generator = SystemRandomNumberGenerator()
    return random(using: &generator)
  }

  public static func random(using generator: inout some RandomNumberGenerator) -> ICECredentials {
    ICECredentials(
      usernameFragment: text(8, using: &generator), password: text(24, using: &generator))
  }

  private static func text(_ count: Int, using generator: inout some RandomNumberGenerator) -> String {
    let characters = (0..<count).map { _ in iceCharacters[Int(generator.next(upperBound: UInt(iceCharacters.count)))] }
    return String(decoding: characters, as: UTF8.self)
  }
}

/// ice-char of RFC 8839 section 5.4: six bits each.
private let iceCharacters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
