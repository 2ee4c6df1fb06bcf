import Foundation

/// Rows in aligned columns, for people.
struct Table {
  private struct Row {
    var cells: [String]
    var note = ""
  }

  private let headings: [String]
  private var rows: [Row] = []
  private static let gap = "  "
  private static let noteIndent = "         "
  /// So much of a text stays in one line, however narrow the table is to be.
  private static let narrowest = 20

  init(_ headings: String...) { self.init(headings) }
  init(_ headings: [String]) { self.headings = headings }

  mutating func row(_ cells: String...) { row(cells) }

  /// `note`: a line of its own below the row; none if it is empty.
  mutating func row(_ cells: [String], note: String = "") {
    rows.append(Row(cells: cells.map { $0.isEmpty ? "-" : $0 }, note: note))
  }

  /// The table, or `empty` if it has no row. Where a line would be longer than `width`, the text of its last column and
  /// notes go on in the next line.
  func text(empty: String, width: Int = .max) -> String {
    guard !rows.isEmpty else { return empty + "\n" }
    let lines = [Row(cells: headings)] + rows
    let widths = headings.indices.map { column in lines.map { $0.cells[column].count }.max() ?? 0 }
    return lines.flatMap { Self.lines(of: $0, widths, within: width) }.joined()
  }

  private static func lines(of row: Row, _ widths: [Int], within width: Int) -> [String] {
    let start = zip(row.cells, widths).dropLast().map { padded($0, to: $1) + gap }.joined()
    let last = wrapped(row.cells.last ?? "", within: max(width - start.count, narrowest))
    let notes = wrapped(row.note, within: max(width - noteIndent.count, narrowest)).filter { !$0.isEmpty }
    let more = last.dropFirst().map { padded("", to: start.count) + $0 }
    return ([start + (last.first ?? "")] + more + notes.map { noteIndent + $0 }).map { line in
      String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// The words of `text` in lines; a longer word has a line of its own.
  private static func wrapped(_ text: String, within width: Int) -> [String] {
    guard text.count > width else { return [text] }
    return text.split(separator: " ").reduce(into: [String]()) { lines, word in
      if let line = lines.last, line.count + 1 + word.count <= width {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(String(word))
      }
    }
  }
}

/// Numbers as people read them.
enum Reading {
  /// "1 room", "2 rooms".
  static func count(_ count: some BinaryInteger, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  static func bitrate(_ bitsPerSecond: Double) -> String {
    switch bitsPerSecond {
    case 1e6...: String(format: "%.2f Mbit/s", bitsPerSecond / 1e6)
    case 1e3...: String(format: "%.0f kbit/s", bitsPerSecond / 1e3)
    default: String(format: "%.0f bit/s", bitsPerSecond)
    }
  }

  /// Empty where it is not known.
  static func share(_ share: Double?) -> String { share.map { String(format: "%.1f %%", $0 * 100) } ?? "" }

  /// Empty where they are not known.
  static func milliseconds(_ milliseconds: Double?) -> String {
    milliseconds.map { String(format: $0 < 10 ? "%.1f ms" : "%.0f ms", $0) } ?? ""
  }

  static func bytes(_ count: UInt64) -> String {
    let count = Double(count)
    switch count {
    case 1e9...: return String(format: "%.2f GB", count / 1e9)
    case 1e6...: return String(format: "%.1f MB", count / 1e6)
    case 1e3...: return String(format: "%.1f kB", count / 1e3)
    default: return String(format: "%.0f B", count)
    }
  }

  /// "never" without one.
  static func age(_ seconds: Double?) -> String {
    guard let seconds else { return "never" }
    return seconds < 60 ? String(format: "%.1f s ago", max(0, seconds)) : duration(seconds) + " ago"
  }

  static func duration(_ seconds: Double) -> String {
    let seconds = Int(max(0, min(seconds, 1e9)))
    switch seconds {
    case 86400...: return "\(seconds / 86400) d \(seconds % 86400 / 3600) h"
    case 3600...: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    case 60...: return "\(seconds / 60) min \(seconds % 60) s"
    default: return "\(seconds) s"
    }
  }
}
