import Glibc

/// The process's own output. What cannot be written there, as on a full disk or to a reader that is gone, is lost: no call ends for
/// want of a log line.
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
