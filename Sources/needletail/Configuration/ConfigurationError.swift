/// One thing that is wrong with the configuration: where, which key, what was found and what is allowed.
struct ConfigurationError: Error, CustomStringConvertible {
  /// "needletail.yaml:12", "NEEDLETAIL_PORT" or "--port".
  var origin: String
  var problem: String

  var description: String { "\(origin): \(problem)" }

  static func unknown(_ key: String, at origin: String) -> ConfigurationError {
    let names = Setting.all.map(\.name)
    let near = names.map { (name: $0, distance: editDistance(key, $0)) }.min { $0.distance < $1.distance }
    if let near, near.distance <= max(2, key.count / 3) {
      return ConfigurationError(origin: origin, problem: "unknown key \"\(key)\"; did you mean \"\(near.name)\"?")
    }
    return ConfigurationError(
      origin: origin, problem: "unknown key \"\(key)\"; the keys are \(names.joined(separator: ", "))")
  }

  static func notAllowed(_ value: SettingValue, for setting: Setting, at origin: String) -> ConfigurationError {
    // A secret that is too short is still a secret, and ICE servers have passwords.
    let found = ["token-secret", "ice-servers"].contains(setting.name) ? "this value" : value.description
    return ConfigurationError(
      origin: origin, problem: "\(setting.name): \(found) is not allowed; it must be \(setting.allowed)")
  }

  /// Levenshtein's distance.
  private static func editDistance(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let substituted = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}

/// Everything that is wrong, so that one start shows it all.
struct ConfigurationErrors: Error {
  var errors: [ConfigurationError]
}
