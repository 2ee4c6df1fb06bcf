import Foundation

/// Small files of /proc and /sys.
enum HostFiles {
  /// The text without the final line break; nil if it cannot be read.
  static func text(_ path: String) -> String? {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else { return nil }
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  static func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func entries(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// The value of "Name:" in a file of such lines.
  static func field(_ name: String, in path: String) -> String? {
    text(path)?.split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: ":", maxSplits: 1).last.map {
      $0.trimmingCharacters(in: .whitespaces)
    }
  }
}
