/// A table of iptables as it was before nftables (ip_tables, ip6_tables), from what the kernel tells by getsockopt(2).
///
///     struct ipt_getinfo: 0 name (32), 32 hooks (a bit each), 36 first entry of each hook (5 × 4), 56 last entry, its policy
///       (5 × 4), 76 number of entries, 80 size
///     struct ipt_entry, ip6t_entry: what matches, then the offset of the target (2 octets); in the target, 32: the verdict
public struct LegacyTable {
  public static let informationLength = 84
  /// Before the entries, in struct ipt_get_entries.
  public static let entriesOffset = 40

  private let information: ArraySlice<UInt8>
  private let isV6: Bool
  private let name: String

  /// nil if it is not `informationLength` octets.
  public init?(_ name: String, information: ArraySlice<UInt8>, isV6: Bool) {
    guard information.count == Self.informationLength else { return nil }
    (self.name, self.information, self.isV6) = (name, information, isV6)
  }

  /// Of all entries, in octets.
  public var size: Int { Int(information.u32(80)) }

  /// What it has to say of packets that leave; nil: nothing, since its chains have no rules and let everything pass.
  public func rule(entries: ArraySlice<UInt8>) -> OutputRule? {
    let hooks = name == "nat" ? Array(0..<5) : [3, 4]  // NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING
    let isSilent = hooks.allSatisfy { hook in
      guard information.u32(32) >> UInt32(hook) & 1 == 1 else { return true }
      let first = Int(information.u32(36 + 4 * hook))
      let last = Int(information.u32(56 + 4 * hook))
      return first == last && accepts(entries.dropFirst(last))
    }
    return isSilent ? nil : Self.unread(name, isV6: isV6)
  }

  /// A table of which no more is known than that it is there.
  public static func unread(_ name: String, isV6: Bool) -> OutputRule {
    OutputRule(
      name == "nat" ? .connection : .network, isV6: isV6, name: "\(isV6 ? "ip6tables" : "iptables") table \(name)")
  }

  private func accepts(_ entry: ArraySlice<UInt8>) -> Bool {
    let target = Int(entry.u16(isV6 ? 140 : 88))
    // -NF_ACCEPT - 1
    return target > 0 && Int32(bitPattern: entry.u32(target + 32)) == -2
  }
}
