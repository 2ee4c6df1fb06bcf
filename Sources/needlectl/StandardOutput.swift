import Glibc

/// Standard output took not all of what there was to say.
struct OutputError: Error, CustomStringConvertible {
  let number: Int32

  var description: String { "needlectl: standard output cannot be written: \(String(cString: strerror(number)))" }
}

/// Writes at once, also into a pipe: without a buffer that would hide what was not written.
func standardOutput(_ text: String, terminator: String = "\n") throws(OutputError) {
  try write(text + terminator, to: STDOUT_FILENO)
}

/// There is nobody left to tell where this fails.
func standardError(_ text: String) { try? write(text + "\n", to: STDERR_FILENO) }

private func write(_ text: String, to descriptor: CInt) throws(OutputError) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { throw OutputError(number: errno) }
    rest = rest.dropFirst(count)
  }
}
