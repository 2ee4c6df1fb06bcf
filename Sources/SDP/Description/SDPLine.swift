/// The letters that begin a line (RFC 8866 section 5), but for `m`, which begins a `MediaDescription`.
public enum SDPField: Character, Hashable, Sendable {
  case version = "v"
  case origin = "o"
  case sessionName = "s"
  case information = "i"
  case uri = "u"
  case email = "e"
  case phone = "p"
  case connection = "c"
  case bandwidth = "b"
  case timing = "t"
  case repeatTimes = "r"
  case timeZones = "z"
  case key = "k"
  case attribute = "a"
}

/// One line, without its end: the letter, and what follows the equals sign, untouched.
public struct SDPLine: Hashable, Sendable {
  public var field: SDPField
  public var value: String

  public init(_ field: SDPField, _ value: String) {
    self.field = field
    self.value = value
  }

  /// `a=name` or `a=name:value`.
  public static func attribute(_ name: String, _ value: String? = nil) -> SDPLine {
    SDPLine(.attribute, value.map { "\(name):\($0)" } ?? name)
  }

  /// What follows `name:` if this is that attribute; "" for the property attribute `a=name`.
  func attributeValue(_ name: String) -> Substring? {
    guard field == .attribute else { return nil }
    let bytes = value.utf8
    guard bytes.starts(with: name.utf8) else { return nil }
    let end = bytes.index(bytes.startIndex, offsetBy: name.utf8.count)
    guard end != bytes.endIndex else { return "" }
    guard bytes[end] == UInt8(ascii: ":") else { return nil }
    return value[bytes.index(after: end)...]
  }
}

/// What has attributes: a session or a media description. The lines are the truth, in order, known or not; everything
/// typed is read from them, so that nothing is lost on the way through.
public protocol SDPSection {
  var lines: [SDPLine] { get set }
  /// What the parser found where.
  var table: AttributeTable { get }
}

extension SDPSection {
  /// The values of every `a=name:…`, in order.
  public func attributes(_ name: String) -> [Substring] {
    guard let places = table.places(of: name) else { return lines.compactMap { $0.attributeValue(name) } }
    return places.compactMap { lines[$0].attributeValue(name) }
  }

  /// The value of the first `a=name:…`; "" for `a=name`.
  public func attribute(_ name: String) -> Substring? {
    if let places = table.places(of: name) { return places.lazy.compactMap { lines[$0].attributeValue(name) }.first }
    for line in lines { if let value = line.attributeValue(name) { return value } }
    return nil
  }

  public func hasAttribute(_ name: String) -> Bool { attribute(name) != nil }

  /// The value of the first line of that letter.
  public func first(_ field: SDPField) -> String? { lines.first { $0.field == field }?.value }

  public mutating func removeAttributes(_ name: String) { lines.removeAll { $0.attributeValue(name) != nil } }
}

/// A decimal integer of digits alone; nil if it has anything else or does not fit.
func decimal<T: FixedWidthInteger>(_ text: some StringProtocol, as type: T.Type = T.self) -> T? {
  guard !text.isEmpty else { return nil }
  var value: T = 0
  for byte in text.utf8 {
    guard (0x30...0x39).contains(byte) else { return nil }
    let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
    let (sum, isStillTooLarge) = product.addingReportingOverflow(T(byte - 0x30))
    if isTooLarge || isStillTooLarge { return nil }
    value = sum
  }
  return value
}

// Text is cut at bytes, not at characters: quicker, and a combining mark after a separator changes nothing.
extension StringProtocol {
  /// The words between single or repeated spaces.
  var words: [Substring] { pieces(" ") }

  /// The first words, no more than `limit`; what is behind them is not looked at.
  func words(first limit: Int) -> [Substring] {
    var words: [Substring] = []
    var rest = Substring(self).utf8
    while words.count < limit, let start = rest.firstIndex(where: { $0 != 0x20 }) {
      let end = rest[start...].firstIndex(of: 0x20) ?? rest.endIndex
      words.append(Substring(rest[start..<end]))
      rest = rest[end...]
    }
    return words
  }

  /// The parts between `separator`, an ASCII character.
  func pieces(_ separator: Character, omitsEmpty: Bool = true) -> [Substring] {
    let parts = Substring(self).utf8.split(
      separator: separator.asciiValue ?? 0, omittingEmptySubsequences: omitsEmpty)
    return parts.map { Substring($0) }
  }

  /// Splits at the first `separator`, an ASCII character; nil if it is not there.
  func cut(at separator: Character) -> (before: Substring, after: Substring)? {
    let text = Substring(self)
    guard let index = text.utf8.firstIndex(of: separator.asciiValue ?? 0) else { return nil }
    return (text[..<index], text[text.utf8.index(after: index)...])
  }

  /// Token characters of RFC 8866 section 9.
  var isToken: Bool { !isEmpty && utf8.allSatisfy(isTokenCharacter) }
}

private func isTokenCharacter(_ byte: UInt8) -> Bool {
  switch byte {
  case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x30...0x39, 0x41...0x5a, 0x5e...0x7e: true
  default: false
  }
}

/// `text` without control characters, so that no parameter can add lines to a description.
func printable(_ text: String) -> String {
  String(decoding: text.utf8.filter { $0 >= 0x20 && $0 != 0x7f }, as: UTF8.self)
}

/// `text` with whatever is no token character replaced, so that no name can add lines or words to a description.
func token(_ text: String) -> String {
  let bytes = text.utf8.prefix(64).map { isTokenCharacter($0) ? $0 : UInt8(ascii: "-") }
  return bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self)
}
