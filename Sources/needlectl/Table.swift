import Foundation

/// Rows in aligned columns, for people.
struct Table {
  private let headings: [String]
  private var rows: [[String]] = []

  init(_ headings: String...) { self.headings = headings }

  mutating func row(_ cells: String...) { rows.append(cells.map { $0.isEmpty ? "-" : $0 }) }

  /// The table, or `empty` if it has no row.
  func text(empty: String) -> String {
    guard !rows.isEmpty else { return empty + "\n" }
    let lines = [headings] + rows
    let widths = headings.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { cells in
      let padded = zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
      return String(padded.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
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

  static func share(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }

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
