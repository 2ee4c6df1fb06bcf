import Foundation
import Signalling

/// Puts the configuration together: default < file < `--dev` < environment < flag.
struct ConfigurationReader {
  private(set) var configuration = ServerConfiguration()
  /// Said once logging works.
  private(set) var warnings: [String] = []
  private var errors: [ConfigurationError] = []

  static func read(
    _ arguments: CommandLineArguments, environment: [String: String]
  ) throws(ConfigurationErrors) -> (ServerConfiguration, warnings: [String]) {
    var reader = ConfigurationReader()
    reader.errors = arguments.errors
    reader.readFile(arguments, environment)
    if arguments.isDevelopment { reader.configuration.applyDevelopmentDefaults() }
    reader.assign(reader.variables(environment))
    reader.assign(arguments.values)
    reader.checkTogether()
    reader.readSecret()
    reader.checkFiles()
    guard reader.errors.isEmpty else { throw ConfigurationErrors(errors: reader.errors) }
    return (reader.configuration, reader.warnings)
  }

  private mutating func readFile(_ arguments: CommandLineArguments, _ environment: [String: String]) {
    guard let path = arguments.configurationFile ?? environment["NEEDLETAIL_CONFIG"] else { return }
    guard !path.isEmpty else {
      let origin = arguments.configurationFile == nil ? "NEEDLETAIL_CONFIG" : "--config"
      return errors.append(ConfigurationError(origin: origin, problem: "\"\" is not allowed; it must be a path"))
    }
    let file = ConfigurationFile(path: path)
    errors += file.errors
    assign(file.values)
  }

  private mutating func assign(_ values: [(setting: Setting, value: SettingValue, origin: String)]) {
    for (setting, value, origin) in values {
      if setting.assign(value, to: &configuration) {
        configuration.origins[setting.name] = origin
      } else {
        errors.append(.notAllowed(value, for: setting, at: origin))
      }
    }
  }

  private mutating func variables(
    _ environment: [String: String]
  ) -> [(setting: Setting, value: SettingValue, origin: String)] {
    let settings = Setting.all
    let known = Set(settings.map(\.variable) + ["NEEDLETAIL_CONFIG"])
    for name in environment.keys.sorted() where name.hasPrefix("NEEDLETAIL_") && !known.contains(name) {
      let near = Setting.nearest(to: name.dropFirst("NEEDLETAIL_".count).lowercased().replacing("_", with: "-"))
      let advice = near.map { "; did you mean \($0.variable)?" } ?? ""
      warnings.append("the environment variable \(name) names no key and is ignored\(advice)")
    }
    return settings.compactMap { setting in
      environment[setting.variable].map { (setting, .scalar($0), setting.variable) }
    }
  }

  /// Rules about more than one key.
  private mutating func checkTogether() {
    switch (configuration.certificate, configuration.certificateKey) {
    case (.some, nil): fail("certificate", "needs certificate-key: the two go together")
    case (nil, .some): fail("certificate-key", "needs certificate: the two go together")
    default: break
    }
    if configuration.isPlainHTTP, configuration.certificate != nil {
      fail("plain-http", "excludes \(named("certificate")): it serves without TLS")
    }
    if configuration.tokenSecret != nil, configuration.tokenSecretFile != nil {
      fail("token-secret", "excludes \(named("token-secret-file")): set one of them")
    }
  }

  /// A key with the place where it was set.
  private func named(_ key: String) -> String { key + (configuration.origins[key].map { " (\($0))" } ?? "") }

  private mutating func readSecret() {
    guard let path = configuration.tokenSecretFile else { return }
    let text: String
    do throws(UnreadableFile) { text = try TextFile.read(path) } catch {
      return fail("token-secret-file", "\(path) \(error)")
    }
    let secret = String(text.reversed().drop { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }.reversed())
    guard secret.utf8.count >= SessionTokens.minimumSecretBytes else {
      let minimum = SessionTokens.minimumSecretBytes
      return fail("token-secret-file", "\(path) holds fewer than \(minimum) bytes, the minimum")
    }
    configuration.tokenSecret = secret
  }

  /// What the server would stumble over at its start.
  private mutating func checkFiles() {
    if let web = configuration.web, WebFolder.find(web) == nil {
      fail("web", "\(web) is not a folder")
    }
    do throws(ConfigurationError) {
      if let warning = try WebCertificate.configured(configuration)?.expiryWarning { warnings.append(warning) }
    } catch {
      errors.append(error)
    }
  }

  private mutating func fail(_ key: String, _ problem: String) { errors.append(configuration.error(key, problem)) }
}
