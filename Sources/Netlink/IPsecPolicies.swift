import Wire

/// The kernel's IPsec policy database, and what it says of a flow.
public struct IPsecPolicies: Hashable, Sendable {
  /// What becomes of a flow's packets, the reason for people; nil: they go as they are.
  public typealias Reason = String

  /// By priority.
  private var outgoing: [IPsecPolicy]
  private var incoming: [IPsecPolicy]
  private var blocksOutgoing: Bool
  private var blocksIncoming: Bool

  /// None, as on a host without IPsec.
  public init() {
    (outgoing, incoming) = ([], [])
    (blocksOutgoing, blocksIncoming) = (false, false)
  }

  /// From the answers to XFRM_MSG_GETPOLICY and XFRM_MSG_GETDEFAULT (Linux 5.14; before, nil). nil if one is not understood:
  /// then nobody knows what the host allows.
  public init?(policies: [NetlinkMessage], defaults: NetlinkMessage?) {
    self.init()
    for message in policies {
      switch IPsecPolicy.read(message) {
      case .policy(let policy) where policy.direction == .outgoing: outgoing.append(policy)
      case .policy(let policy): incoming.append(policy)
      case .ofOthers: break
      case .malformed: return nil
      }
    }
    outgoing.sort { $0.priority < $1.priority }
    incoming.sort { $0.priority < $1.priority }
    guard let defaults else { return }
    // struct xfrm_userpolicy_default: in, forward, out; 1 is XFRM_USERPOLICY_BLOCK.
    guard defaults.body.count >= 3 else { return nil }
    blocksIncoming = defaults.body.u8(0) == 1
    blocksOutgoing = defaults.body.u8(2) == 1
  }

  /// XFRM_MSG_GETPOLICY, XFRM_MSG_GETDEFAULT
  public static let policiesRequest = NetlinkRequest(type: 0x15, flags: NetlinkRequest.dump)
  public static var defaultsRequest: NetlinkRequest {
    var request = NetlinkRequest(type: 0x28)
    request.append(UInt32(0))
    return request
  }

  public var isEmpty: Bool { outgoing.isEmpty && incoming.isEmpty && !blocksOutgoing && !blocksIncoming }

  /// How many there are of this host's packets.
  public var count: Int { outgoing.count + incoming.count }

  /// Why a packet that the host sends does not leave as it is.
  public func reason(outgoing flow: HostFlow) -> Reason? {
    switch Self.effect(outgoing, flow) {
    case .block: "an IPsec policy blocks what goes to \(flow.destination.ip)"
    case .transform: "an IPsec policy protects what goes to \(flow.destination.ip)"
    case .bypass: nil
    case nil: blocksOutgoing && !flow.isLoopback ? "IPsec blocks what no policy lets out" : nil
    }
  }

  /// Why the host does not take a packet that comes as it is.
  public func reason(incoming flow: HostFlow) -> Reason? {
    switch Self.effect(incoming, flow) {
    case .block: "an IPsec policy blocks what comes from \(flow.source.ip)"
    case .transform: "an IPsec policy wants what comes from \(flow.source.ip) protected"
    case .bypass: nil
    case nil: blocksIncoming && !flow.isLoopback ? "IPsec blocks what no policy lets in" : nil
    }
  }

  /// What the first to match, by priority, says; of those of equal priority the strictest, and of the two types the stricter.
  /// nil: none matches.
  private static func effect(_ policies: [IPsecPolicy], _ flow: HostFlow) -> IPsecPolicy.Effect? {
    var found: [UInt8: IPsecPolicy] = [:]
    for policy in policies {
      if let best = found[policy.type], policy.priority > best.priority || policy.effect <= best.effect { continue }
      if policy.matches(flow) { found[policy.type] = policy }
    }
    return found.values.map(\.effect).max()
  }
}
