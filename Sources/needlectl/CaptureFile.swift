import Foundation

/// A file that nobody but its owner may read, from its first octet on; or standard output.
struct CaptureFile {
  private let path: String
  private let descriptor: CInt
  /// Whether it was not there before.
  private let isNew: Bool
  private(set) var count = 0

  /// Opens it. What is in a file that is overwritten stays until `begin`.
  init(_ path: String, isForced: Bool) throws(AdminError) {
    self.path = path
    guard path != "-" else {
      (descriptor, isNew) = (STDOUT_FILENO, false)
      return
    }
    let flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY
    var opened = open(path, flags | O_CREAT | O_EXCL, 0o600)
    isNew = opened >= 0
    if opened < 0, errno == EEXIST, isForced { opened = open(path, flags) }
    if opened < 0, errno == EEXIST { throw .refused("\(path) exists; --force overwrites it") }
    guard opened >= 0 else { throw Self.failure("cannot write", path) }
    descriptor = opened
    guard fchmod(opened, 0o600) == 0 else { throw Self.failure("cannot make private", path) }
  }

  /// Nothing will be written: leaves things as they were.
  func abandon() { if isNew { unlink(path) } }

  func begin() throws(AdminError) {
    guard path != "-" else { return }
    guard ftruncate(descriptor, 0) == 0 else { throw Self.failure("cannot overwrite", path) }
  }

  mutating func write(_ data: Data) throws(AdminError) {
    var rest = [UInt8](data)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard written > 0 else { throw Self.failure("cannot write", path) }
      rest = rest.dropFirst(written)
      count += written
    }
  }

  private static func failure(_ what: String, _ path: String) -> AdminError {
    .refused("\(what) \(path): \(String(cString: strerror(errno)))")
  }
}
