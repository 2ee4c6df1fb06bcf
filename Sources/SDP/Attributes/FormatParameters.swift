/// The parameters of an `a=fmtp` line: `name=value` separated by semicolons. Names are compared in lower case; of several
/// of one name the first counts.
public struct FormatParameters: Hashable, Sendable {
  /// In the order of the line, names in lower case. A list: a line has few, and a table would cost more to make than all
  /// that is asked of it.
  private var list: [Parameter] = []

  private struct Parameter: Hashable {
    let name: String
    let value: String
  }

  public init(_ text: String?) {
    guard let text, !text.isEmpty else { return }
    for part in text.pieces(";") {
      let (name, value) = part.cut(at: "=") ?? (part, "")
      list.append(Parameter(name: Self.trimmed(name).lowercased(), value: String(Self.trimmed(value))))
    }
  }

  public subscript(name: String) -> String? { list.first { $0.name == name }?.value }

  public func integer<T: FixedWidthInteger>(_ name: String) -> T? { self[name].flatMap { decimal($0) } }

  private static func trimmed(_ text: Substring) -> Substring {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
    var bytes = text.utf8
    while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return Substring(bytes)
  }
}
