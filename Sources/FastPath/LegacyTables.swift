import Glibc
import Netlink

/// The tables of iptables as it was before nftables. They are only looked at where the kernel names them: to ask for one makes it.
enum LegacyTables {
  // IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES, the same for IPv6.
  private static let information: CInt = 64
  private static let entries: CInt = 65
  private static let longest = 64 << 20

  static func rules() -> [OutputRule] { rules(isV6: false) + rules(isV6: true) }

  private static func rules(isV6: Bool) -> [OutputRule] {
    let path = isV6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names"
    guard let text = TextFile.read(path) else {
      // Only root may read it; then a table is known by the module that made it.
      return access(path, F_OK) == 0 ? loadedModules(isV6: isV6) : []
    }
    return text.split(separator: "\n").compactMap { rule(String($0), isV6: isV6) }
  }

  private static func loadedModules(isV6: Bool) -> [OutputRule] {
    let prefix = isV6 ? "ip6table_" : "iptable_"
    return TextFile.entries(of: "/sys/module").filter { $0.hasPrefix(prefix) }.sorted().map {
      LegacyTable.unread(String($0.dropFirst(prefix.count)), isV6: isV6)
    }
  }

  private static func rule(_ name: String, isV6: Bool) -> OutputRule? {
    let unread = LegacyTable.unread(name, isV6: isV6)
    let socket = Glibc.socket(isV6 ? AF_INET6 : AF_INET, CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 255)
    guard socket >= 0 else { return unread }
    defer { close(socket) }
    guard let told = read(socket, information, named: name, length: LegacyTable.informationLength, isV6: isV6),
      let table = LegacyTable(name, information: told[...], isV6: isV6), table.size <= longest
    else { return unread }
    let length = LegacyTable.entriesOffset + table.size
    guard let entries = read(socket, entries, named: name, length: length, size: table.size, isV6: isV6) else {
      return unread
    }
    return table.rule(entries: entries.dropFirst(LegacyTable.entriesOffset))
  }

  /// `size`: what stands after the name.
  private static func read(
    _ socket: CInt, _ option: CInt, named name: String, length: Int, size: Int = 0, isV6: Bool
  ) -> [UInt8]? {
    var memory = [UInt8](repeating: 0, count: length)
    memory.replaceSubrange(0..<min(31, name.utf8.count), with: name.utf8.prefix(31))
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: size)) { memory.replaceSubrange(32..<36, with: $0) }
    var told = socklen_t(length)
    guard getsockopt(socket, CInt(isV6 ? IPPROTO_IPV6 : IPPROTO_IP), option, &memory, &told) == 0 else { return nil }
    return Int(told) == length ? memory : nil
  }
}
