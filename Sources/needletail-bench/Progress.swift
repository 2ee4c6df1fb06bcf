import Foundation

/// What a run is at, for whoever waits: on standard error, so that standard output is the result alone.
enum Progress {
  static func note(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}
