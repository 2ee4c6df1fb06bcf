/// The server's flags: one for each key, and the few that are not keys.
struct CommandLineArguments {
  var configurationFile: String?
  var isDevelopment = false
  var wantsHelp = false
  var wantsVersion = false
  /// Print the reference of all keys, as docs/operations.md has it.
  var wantsReference = false
  /// Read the configuration and the files it names, say what is wrong, and end.
  var wantsCheck = false
  private(set) var values: [(setting: Setting, value: SettingValue, origin: String)] = []
  private(set) var errors: [ConfigurationError] = []

  init(_ arguments: some Sequence<String>) {
    var rest = Array(arguments)[...]
    while let argument = rest.popFirst() {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      switch parts[0] {
      case "--help", "-h": wantsHelp = isPlain(parts)
      case "--version": wantsVersion = isPlain(parts)
      case "--reference": wantsReference = isPlain(parts)
      case "--check": wantsCheck = isPlain(parts)
      case "--dev": isDevelopment = isPlain(parts)
      case "--config": configurationFile = value(parts, &rest)
      default: take(parts, &rest)
      }
    }
  }

  /// Whether no value was given to a flag that takes none.
  private mutating func isPlain(_ parts: [String]) -> Bool {
    if parts.count > 1 { errors.append(ConfigurationError(origin: parts[0], problem: "takes no value")) }
    return parts.count == 1
  }

  private mutating func take(_ parts: [String], _ rest: inout ArraySlice<String>) {
    guard parts[0].hasPrefix("--") else {
      errors.append(ConfigurationError(origin: parts[0], problem: "is not a flag; see needletail --help"))
      return
    }
    guard let setting = Setting.named(String(parts[0].dropFirst(2))) else {
      errors.append(.unknown(String(parts[0].dropFirst(2)), at: parts[0]))
      // Its value would only be called wrong a second time.
      if parts.count == 1, let next = rest.first, !next.hasPrefix("--") { rest.removeFirst() }
      return
    }
    if setting.isBoolean, parts.count == 1 {
      values.append((setting, .scalar("true"), parts[0]))
    } else if let value = value(parts, &rest) {
      values.append((setting, .scalar(value), parts[0]))
    }
  }

  /// What stands after "=", or the next argument.
  private mutating func value(_ parts: [String], _ rest: inout ArraySlice<String>) -> String? {
    if parts.count > 1 { return parts[1] }
    if let next = rest.first, !next.hasPrefix("--") { return rest.popFirst() }
    errors.append(ConfigurationError(origin: parts[0], problem: "needs a value"))
    return nil
  }
}
