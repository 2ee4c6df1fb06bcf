import Foundation

/// Files that the operator names, as text.
enum TextFile {
  static func read(_ path: String) throws(UnreadableFile) -> String {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      let cause = (error as? CocoaError)?.underlying as? POSIXError
      throw UnreadableFile(reason: cause.map { String(cString: strerror($0.code.rawValue)) } ?? "\(error)")
    }
    guard let text = String(data: data, encoding: .utf8) else { throw UnreadableFile(reason: "it is not UTF-8 text") }
    return text
  }
}

/// Why a file gives no text.
struct UnreadableFile: Error, CustomStringConvertible {
  /// As the C library says it: "Permission denied".
  var reason: String

  var description: String { "cannot be read: \(reason)" }
}
