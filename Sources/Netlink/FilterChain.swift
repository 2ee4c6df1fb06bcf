/// The chains of nftables, to which iptables' are translated, that a packet can meet on its way out. From NFT_MSG_NEWCHAIN:
/// struct nfgenmsg (family, version, 16 bits of resource id), then attributes, whose numbers are in network order.
public enum FilterChain {
  /// NETLINK_NETFILTER, and NFNLGRP_NFTABLES as a bit.
  public static let protocolNumber: Int32 = 12
  public static let groups: UInt32 = 1 << 6
  private static let subsystem = 10  // NFNL_SUBSYS_NFTABLES
  private static let newChain = 3
  /// Of tables, chains and rules; not of sets' elements.
  private static let changes: Set<Int> = [0, 2, 3, 5, 6, 8]

  // NFTA_CHAIN_…
  private static let table = 1
  private static let name = 3
  private static let hook = 4
  private static let policy = 5
  private static let use = 6
  private static let kind = 7
  // NFTA_HOOK_…
  private static let hookNumber = 1
  private static let device = 3
  private static let devices = 4

  /// NFT_MSG_GETCHAIN of every family.
  public static var request: NetlinkRequest {
    var request = NetlinkRequest(type: subsystem << 8 | 4, flags: NetlinkRequest.dump)
    request.append(UInt32(0))
    return request
  }

  /// Whether a notification can mean that other rules apply.
  public static func isChange(_ message: NetlinkMessage) -> Bool {
    message.type >> 8 == subsystem && changes.contains(message.type & 0xff)
  }

  /// What a chain has to say of packets that leave: nothing, if it is no hook's, or has neither rules nor the policy to drop.
  /// nil: the message is not understood.
  public static func rules(_ message: NetlinkMessage) -> [OutputRule]? {
    guard message.type == subsystem << 8 | newChain, message.body.count >= 4 else { return nil }
    let attributes = message.attributes(after: 4)
    guard let hooked = attributes[hook] else { return [] }
    let hooks = NetlinkMessage.attributes(in: hooked)
    guard let table = attributes[table], let name = attributes[name], let number = hooks[hookNumber] else { return nil }
    let drops = attributes[policy].map { UInt32(bigEndian: $0.u32(0)) == 0 } ?? false
    // A chain whose use is not told is taken to be used.
    guard drops || attributes[use].map({ $0.u32(0) != 0 }) ?? true else { return [] }
    let family = Family(rawValue: message.body.u8(0))
    let text = "nftables chain \(family.map { "\($0)" } ?? "?") \(table.text) \(name.text)"
    let isNAT = attributes[kind]?.text == "nat"
    guard let stage = family?.stage(UInt32(bigEndian: number.u32(0)), isNAT: isNAT) else { return [] }
    guard stage == .device else { return [OutputRule(stage, isV6: family?.isV6, name: text)] }
    return interfaces(hooks).map { OutputRule(.device, interface: $0, name: text) }
  }

  /// By name; nil for all.
  private static func interfaces(_ hooks: [Int: ArraySlice<UInt8>]) -> [String?] {
    let several = NetlinkMessage.list(in: hooks[devices] ?? [])
    // What is no name in full (a wildcard) can be any.
    var names = several.map { $0.type == 1 ? $0.value.text : nil }
    if let one = hooks[device] { names.append(one.text) }
    return names.isEmpty || names.contains(nil) ? [nil] : names
  }

  /// NFPROTO_…
  private enum Family: UInt8 {
    case inet = 1
    case ip = 2
    case netdev = 5
    case bridge = 7
    case ip6 = 10

    var isV6: Bool? {
      switch self {
      case .ip: false
      case .ip6: true
      case .inet, .netdev, .bridge: nil
      }
    }

    /// nil: a packet that leaves does not meet the hook.
    func stage(_ hook: UInt32, isNAT: Bool) -> OutputRule.Stage? {
      switch self {
      case .inet, .ip, .ip6:
        if isNAT { return .connection }
        return hook == 3 || hook == 4 ? .network : nil  // NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING
      case .netdev: return hook == 1 ? .device : nil  // NF_NETDEV_EGRESS
      case .bridge: return hook == 3 || hook == 4 ? .device : nil  // NF_BR_LOCAL_OUT, NF_BR_POST_ROUTING
      }
    }
  }
}
