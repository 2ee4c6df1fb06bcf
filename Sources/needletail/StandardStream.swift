import Glibc

/// What a command that answers and ends says: it waits for its reader, as a server must not (`LineWriter`). What cannot be written, as
/// on a full disk or to a reader that is gone, is lost.
enum StandardStream: Int32 {
  case output = 1
  case error = 2

  func write(_ line: String) {
    var rest = Array((line + "\n").utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
