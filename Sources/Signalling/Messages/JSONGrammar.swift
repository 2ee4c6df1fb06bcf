/// Reads a text by the letter of RFC 8259, and within bounds, before Foundation's parser sees it: that takes more than JSON,
/// and much longer for each value and escape than for plain text. The text's length is bounded by the frame limit.
struct JSONGrammar {
  enum Failure: Error, Hashable {
    case tooDeep
    case tooManyValues
    case tooManyEscapes
    /// At an offset in bytes.
    case malformed(Int)

    var message: String {
      switch self {
      case .tooDeep: "the JSON is nested deeper than \(maximumDepth) levels"
      case .tooManyValues: "the JSON has more than \(maximumValues) values"
      case .tooManyEscapes: "the JSON has more than \(maximumEscapes) escaped characters"
      case .malformed(let offset): "not valid JSON at byte \(offset)"
      }
    }
  }

  static let maximumDepth = 16
  /// As many tracks can be listed, with room to spare.
  static let maximumValues = 4096
  /// Two for each line of the longest session description that is taken.
  static let maximumEscapes = 65_536

  private let text: [UInt8]
  private var offset = 0
  private var values = 0
  private var escapes = 0

  private init(_ text: [UInt8]) { self.text = text }

  /// Throws where `text` stops to be JSON, or nests deeper than `maximumDepth`.
  static func check(_ text: [UInt8]) throws(Failure) {
    var grammar = JSONGrammar(text)
    try grammar.value(depth: 0)
    guard grammar.next == nil else { throw grammar.failure }
  }

  private var next: UInt8? { offset < text.count ? text[offset] : nil }
  private var failure: Failure { .malformed(offset) }

  private mutating func value(depth: Int) throws(Failure) {
    skipSpace()
    values += 1
    guard values <= Self.maximumValues else { throw .tooManyValues }
    guard let first = next else { throw failure }
    switch first {
    case UInt8(ascii: "{"): try object(depth: depth + 1)
    case UInt8(ascii: "["): try array(depth: depth + 1)
    case UInt8(ascii: "\""): try string()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
    default: try literal()
    }
    skipSpace()
  }

  private mutating func object(depth: Int) throws(Failure) {
    try open(depth)
    if take("}") { return }
    repeat {
      skipSpace()
      try string()
      skipSpace()
      try expect(":")
      try value(depth: depth)
    } while take(",")
    try expect("}")
  }

  private mutating func array(depth: Int) throws(Failure) {
    try open(depth)
    if take("]") { return }
    repeat { try value(depth: depth) } while take(",")
    try expect("]")
  }

  private mutating func open(_ depth: Int) throws(Failure) {
    guard depth <= Self.maximumDepth else { throw .tooDeep }
    offset += 1
    skipSpace()
  }

  private mutating func string() throws(Failure) {
    try expect("\"")
    while let byte = next, byte >= 0x20 {
      offset += 1
      if byte == UInt8(ascii: "\"") { return }
      if byte == UInt8(ascii: "\\") { try escape() }
    }
    throw failure
  }

  private mutating func escape() throws(Failure) {
    escapes += 1
    guard escapes <= Self.maximumEscapes else { throw .tooManyEscapes }
    guard take("u") else { return try expect("\"\\/bfnrt") }
    for _ in 0..<4 { try expect("0123456789abcdefABCDEF") }
  }

  private mutating func number() throws(Failure) {
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    guard take("eE") else { return }
    _ = take("+-")
    try digits()
  }

  private mutating func digits() throws(Failure) {
    try expect("0123456789")
    while take("0123456789") {}
  }

  private mutating func literal() throws(Failure) {
    guard let word = ["true", "false", "null"].first(where: { text[offset...].starts(with: $0.utf8) }) else {
      throw failure
    }
    offset += word.utf8.count
  }

  private mutating func skipSpace() { while take(" \t\r\n") {} }

  private mutating func expect(_ characters: String) throws(Failure) {
    if !take(characters) { throw failure }
  }

  /// Passes over the next character if it is one of these.
  private mutating func take(_ characters: String) -> Bool {
    guard let next, characters.utf8.contains(next) else { return false }
    offset += 1
    return true
  }
}
