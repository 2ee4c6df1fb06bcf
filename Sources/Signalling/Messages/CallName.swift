/// What rooms and participants may be called.
public enum CallName {
  public static let rule =
    "1 to 64 characters, none of them a slash, a control or an invisible one, and no space at either end"

  public static func isValid(_ name: String) -> Bool {
    guard !name.isEmpty, name.count <= 64, name.utf8.count <= 512, name != ".", name != ".." else { return false }
    guard name.first?.isWhitespace == false, name.last?.isWhitespace == false else { return false }
    return name.unicodeScalars.allSatisfy(isAllowed)
  }

  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == "/" || scalar == "\\" { return false }
    // Joiners make up emoji and some scripts; other format characters (bidirectional overrides) disguise names.
    if scalar.value == 0x200c || scalar.value == 0x200d { return true }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: return false
    default: return true
    }
  }
}
