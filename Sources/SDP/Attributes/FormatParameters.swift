/// The parameters of an `a=fmtp` line: `name=value` separated by semicolons. Names are compared in lower case.
public struct FormatParameters: Hashable, Sendable {
  private var values: [String: String] = [:]

  public init(_ text: String?) {
    for part in (text ?? "").split(separator: ";") {
      let (name, value) = part.cut(at: "=").map { (String($0.before), String($0.after)) } ?? (String(part), "")
      let key = Self.trimmed(name).lowercased()
      if values[key] == nil { values[key] = Self.trimmed(value) }
    }
  }

  public subscript(name: String) -> String? { values[name] }

  public func integer<T: FixedWidthInteger>(_ name: String) -> T? { values[name].flatMap { decimal($0) } }

  private static func trimmed(_ text: String) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
  }
}
