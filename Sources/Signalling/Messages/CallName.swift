/// What rooms and participants may be called.
public enum CallName {
  public static let rule = """
    1 to 64 characters (of 512 bytes at most), none of them a slash, a backslash, a control or an invisible one, no \
    space at either end, and not "." or ".."
    """

  public static func isValid(_ name: String) -> Bool {
    guard name.count <= 64, name.utf8.count <= 512, name != ".", name != ".." else { return false }
    guard name.first?.isWhitespace == false, name.last?.isWhitespace == false else { return false }
    // The first is no joining one, which alone would show nothing.
    guard let first = name.unicodeScalars.first, isAllowed(first) else { return false }
    return name.unicodeScalars.allSatisfy { isAllowed($0) || isJoining($0) }
  }

  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    // A blank in braille counts as a symbol.
    if scalar == "/" || scalar == "\\" || scalar == "\u{2800}" { return false }
    if scalar.properties.isDefaultIgnorableCodePoint { return false }
    switch scalar.properties.generalCategory {
    // Format characters, such as bidirectional overrides, disguise names.
    case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: return false
    default: return true
    }
  }

  /// What makes up emoji, and words in some scripts, with the characters beside it.
  private static func isJoining(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\u{200c}" || scalar == "\u{200d}" || scalar.properties.isVariationSelector
  }
}
