import Foundation
import Logging

/// Each event as one line: text for people, or a JSON object.
public enum LineFormat: String, Sendable {
  case text, json

  func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
    self == .json ? json(level, message, metadata) : text(level, message, metadata)
  }

  private func text(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
    let fields = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
    let level = level.rawValue.uppercased()
    let padding = String(repeating: " ", count: max(0, 7 - level.count))
    return "\(Self.timestamp()) \(level)\(padding) \(Self.oneLine(message))\(fields)"
  }

  private func json(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
    var fields = metadata.mapValues { "\($0)" }
    fields["time"] = Self.timestamp()
    fields["level"] = level.rawValue
    fields["message"] = message
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(fields)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// Clients choose names: no line break or control character of theirs may forge a line.
  private static func oneLine(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else { return text }
    return String(
      String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "\u{fffd}" : $0 }))
  }

  private static func quoted(_ text: String) -> String {
    let text = oneLine(text)
    guard text.isEmpty || text.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return text }
    return "\"" + text.replacing("\"", with: "\\\"") + "\""
  }

  /// RFC 3339 in UTC with milliseconds.
  private static func timestamp() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    return String(
      format: "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1,
      Int(parts.tm_mday),
      Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec), now.tv_nsec / 1_000_000)
  }
}
