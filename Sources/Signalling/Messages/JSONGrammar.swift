import Wire

/// Reads a text by the letter of RFC 8259, and within bounds, before Foundation's parser sees it: that takes more than JSON,
/// and much longer for each value and escape than for plain text. The text's length is bounded by the frame limit.
struct JSONGrammar {
  enum Failure: Error, Hashable {
    case tooDeep
    case tooManyValues
    case tooManyEscapes
    case tooManyMarks
    /// At an offset in bytes.
    case malformed(Int)

    var message: String {
      switch self {
      case .tooDeep: "the JSON is nested deeper than \(maximumDepth) levels"
      case .tooManyValues: "the JSON has more than \(maximumValues) values"
      case .tooManyEscapes: "the JSON has more than \(maximumEscapes) escaped characters"
      case .tooManyMarks: "a text has more than \(CombiningMarks.maximum) combining marks in a row"
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
    var marks = CombiningMarks()
    while let byte = next, byte >= 0x20 {
      offset += 1
      if byte == UInt8(ascii: "\"") { return }
      let isEscape = byte == UInt8(ascii: "\\")
      guard let scalar = isEscape ? try escape() : scalar(byte) else { continue }
      guard marks.admit(scalar) else { throw .tooManyMarks }
    }
    throw failure
  }

  /// The character that begins with the byte before `offset`, of UTF-8; nil within one, and for what is none.
  private func scalar(_ first: UInt8) -> Unicode.Scalar? {
    if first < 0x80 { return Unicode.Scalar(first) }
    let length = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0
    guard length > 0, offset + length <= text.count else { return nil }
    let head = UInt32(first) & (0x3f >> UInt32(length))
    return Unicode.Scalar(text[offset..<offset + length].reduce(head) { $0 << 6 | UInt32($1 & 0x3f) })
  }

  /// What the escape stands for; nil for half a surrogate pair, which the other half completes.
  private mutating func escape() throws(Failure) -> Unicode.Scalar? {
    escapes += 1
    guard escapes <= Self.maximumEscapes else { throw .tooManyEscapes }
    guard take("u") else {
      try expect("\"\\/bfnrt")
      return "\\"
    }
    let start = offset
    for _ in 0..<4 { try expect("0123456789abcdefABCDEF") }
    guard let unit = codeUnit(at: start) else { return nil }
    guard UTF16.isTrailSurrogate(unit) else { return Unicode.Scalar(unit) }
    guard start >= 8, text[start - 8] == UInt8(ascii: "\\"), text[start - 7] == UInt8(ascii: "u"),
      let lead = codeUnit(at: start - 6), UTF16.isLeadSurrogate(lead)
    else { return nil }
    return Unicode.Scalar(0x10000 + (UInt32(lead) & 0x3ff) << 10 + UInt32(unit) & 0x3ff)
  }

  private func codeUnit(at offset: Int) -> UInt16? {
    UInt16(String(decoding: text[offset..<offset + 4], as: UTF8.self), radix: 16)
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
