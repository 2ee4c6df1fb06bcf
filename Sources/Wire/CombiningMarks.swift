/// Counts combining marks that follow each other. Swift compares and hashes text in canonical order, which costs the square of
/// such a run: of what a stranger wrote no more is taken than any language needs (UAX #15, Stream-Safe Text Format).
public struct CombiningMarks: Sendable {
  public static let maximum = 30

  private var run = 0

  public init() {}

  /// The next character is this; false if it is one mark too many.
  public mutating func admit(_ scalar: Unicode.Scalar) -> Bool {
    guard Self.isMark(scalar) else {
      run = 0
      return true
    }
    run += 1
    return run <= Self.maximum
  }

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // What most text is made of: none of these is.
    case 0..<0x300, 0x3100..<0xa66f, 0xac00...0xd7a3: false
    default: scalar.properties.canonicalCombiningClass != .notReordered
    }
  }
}

extension String {
  /// Whether no more marks follow each other than `CombiningMarks` admits.
  public var isStreamSafe: Bool {
    if utf8.allSatisfy({ $0 < 0x80 }) { return true }
    var marks = CombiningMarks()
    return unicodeScalars.allSatisfy { marks.admit($0) }
  }
}
