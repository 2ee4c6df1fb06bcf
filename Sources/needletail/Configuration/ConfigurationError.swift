/// One thing that is wrong with the configuration: where, which key, what was found and what is allowed.
struct ConfigurationError: Error, CustomStringConvertible {
  /// "needletail.yaml:12", "NEEDLETAIL_PORT" or "--port".
  var origin: String
  var problem: String

  var description: String { "\(origin): \(problem)" }

  static func unknown(_ key: String, at origin: String) -> ConfigurationError {
    if let near = Setting.nearest(to: key) {
      return ConfigurationError(origin: origin, problem: "unknown key \"\(key)\"; did you mean \"\(near.name)\"?")
    }
    return ConfigurationError(
      origin: origin, problem: "unknown key \"\(key)\"; the keys are \(Setting.all.map(\.name).joined(separator: ", "))"
    )
  }

  static func notAllowed(_ value: SettingValue, for setting: Setting, at origin: String) -> ConfigurationError {
    // A secret that is too short is still a secret, and ICE servers have passwords.
    let found = ["token-secret", "ice-servers"].contains(setting.name) ? "this value" : value.description
    return ConfigurationError(
      origin: origin, problem: "\(setting.name): \(found) is not allowed; it must be \(setting.allowed)")
  }
}

/// Everything that is wrong, so that one start shows it all.
struct ConfigurationErrors: Error {
  var errors: [ConfigurationError]
}
