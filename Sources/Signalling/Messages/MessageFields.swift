import Foundation
import SFU

/// A JSON object's key, whatever it is.
struct FieldName: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}

/// Reads the fields of one message; every error names the message, the field, what it must be and what it is.
struct MessageFields {
  private let container: KeyedDecodingContainer<FieldName>
  private let type: String

  init(_ container: KeyedDecodingContainer<FieldName>, of type: String) {
    self.container = container
    self.type = type
  }

  func string(_ name: String) throws(ClientMessageError) -> String { try required(name, "a string") }
  func boolean(_ name: String) throws(ClientMessageError) -> Bool { try required(name, "true or false") }
  func optionalString(_ name: String) throws(ClientMessageError) -> String? { try optional(name, "a string") }
  func optionalStrings(_ name: String) throws(ClientMessageError) -> [String]? {
    try optional(name, "a list of strings")
  }

  /// A room's or participant's name.
  func name(_ field: String) throws(ClientMessageError) -> String {
    let name = try string(field)
    guard CallName.isValid(name) else { throw .badMessage("\(type): field \"\(field)\" must be \(CallName.rule)") }
    return name
  }

  func role(_ name: String) throws(ClientMessageError) -> PeerRole {
    guard let role = PeerRole(rawValue: try string(name)) else {
      throw .badMessage("\(type): field \"\(name)\" must be \"publish\" or \"subscribe\"")
    }
    return role
  }

  /// mid → label; none if the field is missing.
  func labels(_ name: String) throws(ClientMessageError) -> [String: TrackLabel] {
    let expected = "an object of m-line ids to \"camera\", \"microphone\", \"screen\" or \"screen-audio\""
    let key = FieldName(name)
    guard container.contains(key), (try? container.decodeNil(forKey: key)) != true else { return [:] }
    guard let object = try? container.nestedContainer(keyedBy: FieldName.self, forKey: key) else {
      throw wrong(name, expected)
    }
    let fields = MessageFields(object, of: "\(type).\(name)")
    var labels: [String: TrackLabel] = [:]
    for mid in object.allKeys.map(\.stringValue) {
      let text = try fields.string(mid)
      guard let label = TrackLabel(rawValue: text) else {
        throw .badMessage("\(type): field \"\(name)\" must be \(expected), not \"\(text.prefix(40))\"")
      }
      labels[mid] = label
    }
    return labels
  }

  /// A candidate line, an RTCIceCandidateInit that holds one, or null for the end of candidates (then empty).
  func candidate(_ name: String) throws(ClientMessageError) -> String {
    let key = FieldName(name)
    guard container.contains(key) else {
      throw missing(name, "a candidate line, an RTCIceCandidateInit object or null")
    }
    if (try? container.decodeNil(forKey: key)) == true { return "" }
    if let line = try? container.decode(String.self, forKey: key) { return line }
    if let object = try? container.nestedContainer(keyedBy: FieldName.self, forKey: key) {
      return try MessageFields(object, of: "\(type).\(name)").optionalString("candidate") ?? ""
    }
    throw wrong(name, "a candidate line, an RTCIceCandidateInit object or null")
  }

  private func required<T: Decodable>(_ name: String, _ expected: String) throws(ClientMessageError) -> T {
    guard container.contains(FieldName(name)) else { throw missing(name, expected) }
    guard let value = try? container.decode(T.self, forKey: FieldName(name)) else { throw wrong(name, expected) }
    return value
  }

  private func optional<T: Decodable>(_ name: String, _ expected: String) throws(ClientMessageError) -> T? {
    let key = FieldName(name)
    guard container.contains(key), (try? container.decodeNil(forKey: key)) != true else { return nil }
    return try required(name, expected)
  }

  private func missing(_ name: String, _ expected: String) -> ClientMessageError {
    .badMessage("\(type): field \"\(name)\" is missing; it must be \(expected)")
  }

  private func wrong(_ name: String, _ expected: String) -> ClientMessageError {
    .badMessage("\(type): field \"\(name)\" must be \(expected), not \(kind(of: FieldName(name)))")
  }

  private func kind(of key: FieldName) -> String {
    if (try? container.decodeNil(forKey: key)) == true { return "null" }
    if (try? container.decode(Bool.self, forKey: key)) != nil { return "true or false" }
    if (try? container.decode(Double.self, forKey: key)) != nil { return "a number" }
    if (try? container.decode(String.self, forKey: key)) != nil { return "a string" }
    if (try? container.nestedUnkeyedContainer(forKey: key)) != nil { return "a list of other things" }
    if (try? container.nestedContainer(keyedBy: FieldName.self, forKey: key)) != nil { return "an object" }
    return "a number out of range, or text that is not Unicode"
  }
}
