import Glibc

/// The two kernel settings without which `lo` drops what AF_XDP sends into it as martian: `accept_local` and
/// `route_localnet`. Set on `lo` alone, where they open nothing to the network, and put back afterwards.
///
/// What they were is noted in a file, so that the next start puts back what a killed process left behind. Without that
/// note settings found as needed are taken to be the operator's.
struct LoopbackSettings {
  /// Values before, by setting; those that were right already are not here.
  private let before: [String: String]
  private let note: LoopbackNote?

  private static let names = ["accept_local", "route_localnet"]

  private static func path(_ name: String) -> String { "/proc/sys/net/ipv4/conf/lo/\(name)" }

  private static func value(_ name: String) -> String {
    (TextFile.read(path(name)) ?? "").filter { !$0.isWhitespace }
  }

  /// Says in the log what it changed. What a killed process left in the note is put back by this one.
  ///
  /// - Parameter folders: where the note may be, the best first.
  static func hold(notingIn folders: [String], log: FastPath.Log) throws(LaneRefusal) -> LoopbackSettings {
    let found = Dictionary(uniqueKeysWithValues: names.map { ($0, value($0)) })
    let changed = found.filter { $0.value != "1" }
    let settings = LoopbackSettings(noting: changed, in: folders, log: log)
    for (name, old) in changed.sorted(by: { $0.key < $1.key }) {
      guard TextFile.write("1", to: path(name)) else {
        let error = SystemError.text(errno)
        settings.release(log: log)
        throw LaneRefusal(
          reason: "net.ipv4.conf.lo.\(name) cannot be set to 1 (\(error)), and what AF_XDP sends needs it")
      }
      log("notice", "net.ipv4.conf.lo.\(name) set to 1 while the fast path holds lo", ["before": old])
    }
    return settings
  }

  private init(noting changed: [String: String], in folders: [String], log: FastPath.Log) {
    do throws(LaneRefusal) {
      let note = try LoopbackNote.open(in: folders, creating: true)
      before = changed.merging(Self.left(in: note)) { $1 }
      note.write(before)
      self.note = note
    } catch {
      before = changed
      note = nil
      guard !changed.isEmpty else { return }
      log(
        "warning", "what is set on lo stays if this process is killed: no note of what it was can be kept",
        ["reason": error.reason])
    }
  }

  private init(left note: LoopbackNote) {
    before = Self.left(in: note)
    self.note = note
  }

  private static func left(in note: LoopbackNote) -> [String: String] {
    note.values.filter { names.contains($0.key) }
  }

  /// Puts back what a process of this network namespace changed that is not there any more.
  static func sweep(notesIn folders: [String], log: FastPath.Log) {
    guard let note = try? LoopbackNote.open(in: folders, creating: false) else { return }
    LoopbackSettings(left: note).release(log: log)
  }

  /// Puts back what was changed.
  func release(log: FastPath.Log) {
    for (name, value) in before.sorted(by: { $0.key < $1.key }) where value != Self.value(name) {
      if TextFile.write(value, to: Self.path(name)) {
        log("info", "net.ipv4.conf.lo.\(name) put back to \(value)", [:])
      } else {
        log("warning", "net.ipv4.conf.lo.\(name) cannot be put back to \(value)", [:])
      }
    }
    note?.remove()
  }
}
