/// The parameters of an `a=fmtp` line: `name=value` separated by semicolons. Names are compared in lower case.
public struct FormatParameters: Hashable, Sendable {
  private var values: [String: String] = [:]

  public init(_ text: String?) {
    for part in (text ?? "").pieces(";") {
      let (name, value) = part.cut(at: "=") ?? (part, "")
      let key = Self.trimmed(name).lowercased()
      if values[key] == nil { values[key] = String(Self.trimmed(value)) }
    }
  }

  public subscript(name: String) -> String? { values[name] }

  public func integer<T: FixedWidthInteger>(_ name: String) -> T? { values[name].flatMap { decimal($0) } }

  private static func trimmed(_ text: Substring) -> Substring {
    let bytes = text.utf8
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    guard let first = bytes.firstIndex(where: { !isBlank($0) }), let last = bytes.lastIndex(where: { !isBlank($0) })
    else {
      return ""
    }
    return text[first...last]
  }
}
