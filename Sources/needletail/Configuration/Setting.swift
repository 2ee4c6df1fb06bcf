/// One configuration key: the only place that says what it is called, takes, defaults to and does. The file, the
/// environment, the flags, `--help` and the reference in docs/operations.md are all made from `Setting.all`.
struct Setting {
  typealias Field<Value> = WritableKeyPath<ServerConfiguration, Value>

  enum Kind {
    case boolean(Field<Bool>)
    case integer(ClosedRange<Int>, Field<Int>)
    case optionalInteger(ClosedRange<Int>, Field<Int?>)
    case choice([String], Field<String>)
    case text(allowed: String, Field<String>, (String) -> Bool)
    case optionalText(allowed: String, Field<String?>, (String) -> Bool)
    case list(allowed: String, Field<[String]>, (String) -> Bool)
    case rtpParticipants(Field<[ConfiguredRTPParticipant]>)
  }

  let name: String
  let kind: Kind
  /// As `--help` and the reference show it.
  let defaultText: String
  let help: String

  var flag: String { "--" + name }
  var variable: String { "NEEDLETAIL_" + name.uppercased().replacing("-", with: "_") }

  /// What the key takes, for people.
  var allowed: String {
    switch kind {
    case .boolean: "true or false"
    case .integer(let range, _), .optionalInteger(let range, _):
      "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .choice(let choices, _): choices.joined(separator: " or ")
    case .text(let allowed, _, _), .optionalText(let allowed, _, _): allowed
    case .list(let allowed, _, _): "a list of \(allowed)"
    case .rtpParticipants: "a list of mappings, in the file only"
    }
  }

  var isBoolean: Bool { if case .boolean = kind { true } else { false } }

  /// Sets the key to what a file, variable or flag says; false if that is not allowed.
  func assign(_ value: SettingValue, to configuration: inout ServerConfiguration) -> Bool {
    switch (kind, value) {
    case (.boolean(let field), .scalar(let text)):
      guard let value = Self.booleans[text.lowercased()] else { return false }
      configuration[keyPath: field] = value
    case (.integer(let range, let field), .scalar(let text)):
      guard let value = Int(text), range.contains(value) else { return false }
      configuration[keyPath: field] = value
    case (.optionalInteger(let range, let field), .scalar(let text)):
      guard let value = Int(text), range.contains(value) else { return false }
      configuration[keyPath: field] = value
    case (.choice(let choices, let field), .scalar(let text)):
      guard choices.contains(text) else { return false }
      configuration[keyPath: field] = text
    case (.text(_, let field, let isAllowed), .scalar(let text)):
      guard isAllowed(text) else { return false }
      configuration[keyPath: field] = text
    case (.optionalText(_, let field, let isAllowed), .scalar(let text)):
      guard isAllowed(text) else { return false }
      configuration[keyPath: field] = text
    case (.list(_, let field, let isAllowed), _):
      guard value.elements.allSatisfy(isAllowed) else { return false }
      configuration[keyPath: field] = value.elements
    case (.rtpParticipants(let field), .rtpParticipants(let participants)):
      configuration[keyPath: field] = participants
    default: return false
    }
    return true
  }

  private static let booleans = [
    "true": true, "yes": true, "on": true, "1": true, "false": false, "no": false, "off": false, "0": false,
  ]
}

/// A key's value as it was written.
enum SettingValue {
  case scalar(String)
  case list([String])
  case rtpParticipants([ConfiguredRTPParticipant])

  /// A list; in a scalar, its elements are parted by commas.
  var elements: [String] {
    switch self {
    case .list(let elements): elements
    case .rtpParticipants(let participants): participants.map(\.participant.name)
    case .scalar(let text):
      text.split(separator: ",").map { $0.drop { $0 == " " } }.map {
        String($0.reversed().drop { $0 == " " }.reversed())
      }
      .filter { !$0.isEmpty }
    }
  }

  var description: String {
    switch self {
    case .scalar(let text): "\"\(text)\""
    case .list, .rtpParticipants: "[\(elements.joined(separator: ", "))]"
    }
  }
}
