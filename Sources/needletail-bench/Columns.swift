/// Text in columns.
enum Columns {
  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  static func tenths(_ value: Double) -> String { rounded(value, 10) }
  static func hundredths(_ value: Double) -> String { rounded(value, 100) }

  private static func rounded(_ value: Double, _ parts: Double) -> String {
    value.isFinite ? "\((value * parts).rounded() / parts)" : "-"
  }
}
