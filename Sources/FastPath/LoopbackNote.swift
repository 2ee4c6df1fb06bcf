import Glibc

/// The file in which `LoopbackSettings` notes what the settings were, one for each network namespace. Locked as long as
/// they are held.
struct LoopbackNote {
  private let descriptor: CInt
  private let path: String

  /// Opens the note in the first folder where this process may have one; without `creating`, only one that is there. Fails
  /// where there is none, and where another process holds it.
  static func open(in folders: [String], creating: Bool) throws(LaneRefusal) -> LoopbackNote {
    var namespace = stat()
    guard stat("/proc/thread-self/ns/net", &namespace) == 0 else {
      throw LaneRefusal(reason: "the network namespace is unknown (\(SystemError.text(errno)))")
    }
    var reasons: [String] = []
    for folder in folders {
      // The folder of the admin socket, which is opened later.
      if creating { mkdir(folder, 0o700) }
      let path = "\(folder)/needletail-lo-\(namespace.st_ino)"
      let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (creating ? O_CREAT : 0), 0o600)
      guard descriptor >= 0 else {
        reasons.append("\(path): \(SystemError.text(errno))")
        continue
      }
      let note = LoopbackNote(descriptor: descriptor, path: path)
      guard note.isOurs, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        close(descriptor)
        throw LaneRefusal(reason: "\(path) is another process's")
      }
      return note
    }
    throw LaneRefusal(reason: reasons.joined(separator: ", "))
  }

  /// Others may write into the folder, and what is noted is written into settings of the kernel.
  private var isOurs: Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_uid == geteuid()
  }

  /// What is noted: numbers by setting.
  var values: [String: String] {
    let lines = TextFile.read(descriptor).split(separator: "\n").map {
      $0.split(separator: "=", maxSplits: 1).map(String.init)
    }
    return Dictionary(
      lines.filter { $0.count == 2 && Int($0[1]) != nil }.map { ($0[0], $0[1]) }, uniquingKeysWith: { $1 })
  }

  func write(_ values: [String: String]) {
    let text = Array(values.map { "\($0.key)=\($0.value)\n" }.joined().utf8)
    ftruncate(descriptor, 0)
    pwrite(descriptor, text, text.count, 0)
  }

  func remove() {
    unlink(path)
    close(descriptor)
  }
}
