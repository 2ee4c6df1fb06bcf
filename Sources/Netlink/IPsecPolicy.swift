import Wire

/// One entry of the kernel's IPsec policy database (RFC 4301 section 4.4.1), from XFRM_MSG_NEWPOLICY.
///
///     struct xfrm_userpolicy_info: 168 octets, then attributes
///       0  selector: destination (16), source (16), destination port and mask, source port and mask (network order),
///          40 family (2), 42 length of the destination's prefix, 43 of the source's, 44 protocol, 48 interface (4)
///      56  lifetimes (96)
///     152  priority (4), 156 index (4), 160 direction, 161 action, 162 flags
public struct IPsecPolicy: Hashable, Sendable {
  public enum Direction: UInt8, Sendable {
    case incoming = 0
    case outgoing = 1
  }

  /// What becomes of packets that it covers.
  public enum Effect: Int, Comparable, Sendable {
    case bypass, transform, block
    public static func < (a: Effect, b: Effect) -> Bool { a.rawValue < b.rawValue }
  }

  public var direction: Direction
  public var effect: Effect
  /// The lowest of those that match counts.
  public var priority: UInt32
  /// XFRM_POLICY_TYPE_MAIN (0) or _SUB (1): each type's best match counts.
  public var type: UInt8
  /// nil: of both families.
  var isV6: Bool?
  var source: AddressPrefix
  var destination: AddressPrefix
  var sourcePort: (value: UInt16, mask: UInt16)
  var destinationPort: (value: UInt16, mask: UInt16)
  /// 0: any.
  var protocolNumber: UInt8
  /// 0: any.
  var interface: UInt32
  /// What a packet's mark must be; ours have none.
  var mark: (value: UInt32, mask: UInt32)
  /// Not 0: for packets that an xfrm interface sends or got.
  var interfaceID: UInt32

  /// XFRM_MSG_NEWPOLICY
  public static let messageType = 0x13
  private static let headerLength = 168
  // XFRMA_TMPL, XFRMA_POLICY_TYPE, XFRMA_MARK, XFRMA_IF_ID
  private static let templates = 5
  private static let policyType = 16
  private static let markAttribute = 21
  private static let interfaceIDAttribute = 31

  /// What a message says of a policy of this host's packets.
  public enum Reading: Hashable, Sendable {
    case policy(IPsecPolicy)
    /// Of packets that are forwarded, or of one socket's.
    case ofOthers
    case malformed
  }

  public static func read(_ message: NetlinkMessage) -> Reading {
    guard message.type == messageType, message.body.count >= headerLength else { return .malformed }
    guard let direction = Direction(rawValue: message.body.u8(160)) else { return .ofOthers }
    return .policy(IPsecPolicy(message, direction))
  }

  private init(_ message: NetlinkMessage, _ direction: Direction) {
    let body = message.body
    let attributes = message.attributes(after: Self.headerLength)
    self.direction = direction
    // Action 0 allows: as the packets are, or as the templates transform them. What else there may be is taken for a block.
    let isTransforming = attributes[Self.templates].map { !$0.isEmpty } ?? false
    effect = body.u8(161) != 0 ? .block : isTransforming ? .transform : .bypass
    priority = body.u32(152)
    type = attributes[Self.policyType]?.u8(0) ?? 0
    switch body.u16(40) {
    case 2: isV6 = false  // AF_INET
    case 10: isV6 = true  // AF_INET6
    default: isV6 = nil
    }
    destination = AddressPrefix(body.dropFirst(0).prefix(16), length: Int(body.u8(42)))
    source = AddressPrefix(body.dropFirst(16).prefix(16), length: Int(body.u8(43)))
    destinationPort = (UInt16(bigEndian: body.u16(32)), UInt16(bigEndian: body.u16(34)))
    sourcePort = (UInt16(bigEndian: body.u16(36)), UInt16(bigEndian: body.u16(38)))
    protocolNumber = body.u8(44)
    interface = body.u32(48)
    let marks = attributes[Self.markAttribute]
    mark = (marks?.u32(0) ?? 0, marks?.u32(4) ?? 0)
    interfaceID = attributes[Self.interfaceIDAttribute]?.u32(0) ?? 0
  }

  /// Whether it covers a flow (the kernel's `xfrm_policy_match`). A security context is not looked at: it may only narrow.
  public func matches(_ flow: HostFlow) -> Bool {
    // Our packets have no mark, and are no xfrm interface's.
    interfaceID == 0 && mark.value == 0 && isV6 ?? flow.isV6 == flow.isV6
      && (protocolNumber == 0 || protocolNumber == HostFlow.protocolNumber)
      && (interface == 0 || flow.interfaces.isEmpty || flow.interfaces.contains(interface))
      && (flow.source.port ^ sourcePort.value) & sourcePort.mask == 0
      && (flow.destination.port ^ destinationPort.value) & destinationPort.mask == 0
      && source.contains(flow.source.ip) && destination.contains(flow.destination.ip)
  }

  public static func == (a: IPsecPolicy, b: IPsecPolicy) -> Bool {
    a.direction == b.direction && a.effect == b.effect && a.priority == b.priority && a.type == b.type
      && a.isV6 == b.isV6 && a.source == b.source && a.destination == b.destination && a.sourcePort == b.sourcePort
      && a.destinationPort == b.destinationPort && a.protocolNumber == b.protocolNumber && a.interface == b.interface
      && a.mark == b.mark && a.interfaceID == b.interfaceID
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(priority)
    hasher.combine(source)
    hasher.combine(destination)
  }
}
