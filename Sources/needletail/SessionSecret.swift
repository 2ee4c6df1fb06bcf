import Foundation
import Logging
import Signalling

/// The secret that signs tokens: configured, or made up for this run.
enum SessionSecret {
  /// nil when auth is none.
  static func tokens(_ configuration: ServerConfiguration, log: Logger) -> SessionTokens? {
    guard configuration.auth == "tokens" else { return nil }
    let secret = configuration.tokenSecret ?? random()
    if configuration.tokenSecret == nil {
      log.notice(
        "no token-secret: tokens are signed with a random one, which ends with this run",
        metadata: ["command": "needlectl token create"])
    }
    return SessionTokens(secret: secret)
  }

  private static func random() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<4).map { _ in String(generator.next() as UInt64, radix: 16) }.joined(separator: "-")
      + String(generator.next() as UInt64, radix: 16)
  }
}
