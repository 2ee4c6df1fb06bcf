import Glibc

/// The two kernel settings without which `lo` drops what AF_XDP sends into it as martian: `accept_local` and
/// `route_localnet`. Set on `lo` alone, where they open nothing to the network, and put back afterwards.
///
/// What they were is noted in /run, so that the next start puts back what a killed process left behind. Without that
/// note (no right to write it, or another host's /run) settings found as needed are taken to be the operator's.
struct LoopbackSettings {
  /// Values before, by setting; those that were right already are not here.
  private let before: [(name: String, value: String)]
  /// The note, locked as long as the settings are held. -1: there is none.
  private let note: CInt
  private let notePath: String

  private static let names = ["accept_local", "route_localnet"]

  private static func path(_ name: String) -> String { "/proc/sys/net/ipv4/conf/lo/\(name)" }

  private static func value(_ name: String) -> String {
    (TextFile.read(path(name)) ?? "").filter { !$0.isWhitespace }
  }

  /// Says in the log what it changed. What a killed process left in the note is put back by this one.
  static func hold(log: FastPath.Log) throws(LaneRefusal) -> LoopbackSettings {
    let (note, notePath) = openNote()
    let found = Dictionary(uniqueKeysWithValues: names.map { ($0, value($0)) })
    let left = note >= 0 ? parse(TextFile.read(note)) : [:]
    let before = found.filter { $0.value != "1" }.merging(left) { $1 }.sorted { $0.key < $1.key }
    let settings = LoopbackSettings(before: before.map { ($0.key, $0.value) }, note: note, notePath: notePath)
    settings.writeNote()
    for name in names where found[name] != "1" {
      guard TextFile.write("1", to: path(name)) else {
        let error = SystemError.text(errno)
        settings.release(log: log)
        throw LaneRefusal(
          reason: "net.ipv4.conf.lo.\(name) cannot be set to 1 (\(error)), and what AF_XDP sends needs it")
      }
      log("notice", "net.ipv4.conf.lo.\(name) set to 1 while the fast path holds lo", ["before": found[name] ?? ""])
    }
    return settings
  }

  /// Puts back what a process of this network namespace changed that is not there any more.
  static func sweep(log: FastPath.Log) {
    let (note, notePath) = openNote(flags: O_RDWR)
    guard note >= 0 else { return }
    let left = parse(TextFile.read(note)).sorted { $0.key < $1.key }
    LoopbackSettings(before: left.map { ($0.key, $0.value) }, note: note, notePath: notePath).release(log: log)
  }

  /// Puts back what was changed.
  func release(log: FastPath.Log) {
    for (name, value) in before where value != Self.value(name) {
      if TextFile.write(value, to: Self.path(name)) {
        log("info", "net.ipv4.conf.lo.\(name) put back to \(value)", [:])
      } else {
        log("warning", "net.ipv4.conf.lo.\(name) cannot be put back to \(value)", [:])
      }
    }
    guard note >= 0 else { return }
    unlink(notePath)
    close(note)
  }

  // MARK: The note

  /// One per network namespace. Another process that holds it has its own note of what was before.
  private static func openNote(flags: CInt = O_RDWR | O_CREAT) -> (CInt, String) {
    var status = stat()
    guard stat("/proc/thread-self/ns/net", &status) == 0 else { return (-1, "") }
    let path = "/run/needletail-lo-\(status.st_ino)"
    let descriptor = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return (-1, path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return (-1, path)
    }
    return (descriptor, path)
  }

  private static func parse(_ text: String) -> [String: String] {
    let lines = text.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
    return Dictionary(
      lines.filter { $0.count == 2 && names.contains($0[0]) && Int($0[1]) != nil }.map { ($0[0], $0[1]) },
      uniquingKeysWith: { $1 })
  }

  private func writeNote() {
    guard note >= 0 else { return }
    let text = Array(before.map { "\($0.name)=\($0.value)\n" }.joined().utf8)
    ftruncate(note, 0)
    pwrite(note, text, text.count, 0)
  }
}
