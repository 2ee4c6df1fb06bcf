import Netlink
import Testing
import Wire

/// A policy as the kernel tells of it (XFRM_MSG_NEWPOLICY).
struct PolicyMessage {
  var family: UInt16 = 2
  var source = [UInt8](repeating: 0, count: 16)
  var sourceLength: UInt8 = 0
  var destination = [UInt8](repeating: 0, count: 16)
  var destinationLength: UInt8 = 0
  var sourcePort: (UInt16, UInt16) = (0, 0)
  var destinationPort: (UInt16, UInt16) = (0, 0)
  var protocolNumber: UInt8 = 0
  var interface: UInt32 = 0
  var priority: UInt32 = 0
  var direction: UInt8 = 1
  var action: UInt8 = 0
  var attributes: [(Int, [UInt8])] = []

  static let template = (5, [UInt8](repeating: 0, count: 64))

  /// `to` and `from`: "10.0.0.0/8".
  init(from: String? = nil, to: String? = nil, action: UInt8 = 1, priority: UInt32 = 0) {
    (self.action, self.priority) = (action, priority)
    if let from { (source, sourceLength) = Self.prefix(from) }
    if let to { (destination, destinationLength) = Self.prefix(to) }
    if (from ?? to)?.contains(":") == true { family = 10 }
  }

  private static func prefix(_ text: String) -> ([UInt8], UInt8) {
    let parts = text.split(separator: "/")
    let bytes = IPAddress(parts[0])?.bytes ?? []
    return (bytes + [UInt8](repeating: 0, count: 16 - bytes.count), UInt8(parts[1]) ?? 0)
  }

  var message: NetlinkMessage {
    var request = NetlinkRequest(type: IPsecPolicy.messageType)
    for octet in destination + source { request.append(octet) }
    for port in [destinationPort.0, destinationPort.1, sourcePort.0, sourcePort.1] { request.append(port.bigEndian) }
    request.append(family)
    request.append(destinationLength)
    request.append(sourceLength)
    request.append(UInt32(protocolNumber))
    request.append(interface)
    request.append(UInt32(0))
    for _ in 0..<12 { request.append(UInt64(0)) }
    request.append(priority)
    request.append(UInt32(0))
    request.append(direction)
    request.append(action)
    request.append(UInt16(0))
    request.append(UInt32(0))
    for (type, value) in attributes { request.attribute(type, value) }
    return NetlinkMessage.all(in: request.finished(sequence: 1)[...])[0]
  }
}

func flow(
  _ from: String = "10.77.0.1:3478", _ to: String = "10.77.0.2:6004", interfaces: [UInt32] = [2],
  isLoopback: Bool = false
) -> HostFlow {
  let none = SocketAddress(.v4(0), 0)
  return HostFlow(
    from: SocketAddress(from) ?? none, to: SocketAddress(to) ?? none, interfaces: interfaces, isLoopback: isLoopback)
}

func octets(_ words: UInt32...) -> [UInt8] { words.flatMap { word in withUnsafeBytes(of: word, Array.init) } }

@Suite struct IPsecPolicyTests {
  private static let blocked = "an IPsec policy blocks what goes to 10.77.0.2"
  private static let protected = "an IPsec policy protects what goes to 10.77.0.2"

  private func reason(
    _ policies: PolicyMessage..., for flow: HostFlow = flow(), defaults: [UInt8]? = nil
  ) throws -> String? {
    let defaults = defaults.map { NetlinkMessage(type: 0x28, body: ($0 + [0])[...]) }
    return try #require(IPsecPolicies(policies: policies.map(\.message), defaults: defaults)).reason(outgoing: flow)
  }

  @Test func withoutPoliciesEverythingGoes() throws {
    #expect(try reason() == nil)
    #expect(IPsecPolicies().isEmpty)
  }

  @Test func theAddressesBitsCount() throws {
    for (from, to, isCovered) in [
      ("10.77.0.1/32", "10.77.0.2/32", true), ("10.77.0.0/24", "10.77.0.0/31", false), ("0.0.0.0/0", "0.0.0.0/0", true),
      ("10.77.0.2/32", "10.77.0.2/32", false), ("10.77.0.1/32", "10.77.0.3/32", false),
      ("10.77.0.0/16", "10.77.0.3/31", true), ("10.77.0.1/32", "10.64.0.0/10", true),
      ("138.77.0.1/1", "10.77.0.2/32", false),
    ] {
      #expect(try reason(PolicyMessage(from: from, to: to)) == (isCovered ? Self.blocked : nil), "\(from) \(to)")
    }
    let v6 = flow("[fd77::1]:3478", "[fd77::2]:6004")
    for (to, isCovered) in [("fd77::2/128", true), ("fd77::/16", true), ("fd77::3/128", false), ("fd77::3/127", true)] {
      #expect(try (reason(PolicyMessage(to: to), for: v6) != nil) == isCovered, "\(to)")
    }
  }

  @Test func eachFamilyHasItsOwn() throws {
    #expect(try reason(PolicyMessage(from: "::/0", to: "::/0")) == nil)
    #expect(try reason(PolicyMessage(), for: flow("[fd77::1]:3478", "[fd77::2]:6004")) == nil)
    var ofAny = PolicyMessage()
    ofAny.family = 0
    #expect(try reason(ofAny, for: flow("[fd77::1]:3478", "[fd77::2]:6004")) != nil)
  }

  @Test func portsCountAsFarAsTheirMasks() throws {
    var policy = PolicyMessage()
    policy.destinationPort = (6004, 0xffff)
    #expect(try reason(policy) == Self.blocked)
    policy.destinationPort = (6005, 0xffff)
    #expect(try reason(policy) == nil)
    policy.destinationPort = (6005, 0xfffe)
    #expect(try reason(policy) == Self.blocked)
    policy.sourcePort = (3479, 0xffff)
    #expect(try reason(policy) == nil)
    policy.sourcePort = (3478, 0xffff)
    #expect(try reason(policy) == Self.blocked)
  }

  @Test func protocolInterfaceMarkAndInterfaceID() throws {
    var policy = PolicyMessage()
    policy.protocolNumber = 17
    #expect(try reason(policy) == Self.blocked)
    policy.protocolNumber = 6
    #expect(try reason(policy) == nil)
    policy.protocolNumber = 0
    policy.interface = 2
    #expect(try reason(policy) == Self.blocked)
    #expect(try reason(policy, for: flow(interfaces: [5, 2])) == Self.blocked)
    #expect(try reason(policy, for: flow(interfaces: [])) == Self.blocked, "who does not know must not guess")
    #expect(try reason(policy, for: flow(interfaces: [3])) == nil)
    policy.interface = 0
    for (mark, isCovered) in [([0, 0], true), ([0, 0xff], true), ([7, 0xff], false)] as [([UInt32], Bool)] {
      policy.attributes = [(21, octets(mark[0], mark[1]))]
      #expect(try (reason(policy) != nil) == isCovered, "\(mark)")
    }
    policy.attributes = [(31, octets(9))]
    #expect(try reason(policy) == nil, "what an xfrm interface sends is no frame of ours")
  }

  @Test func anAllowingPolicyWithTemplatesProtects() throws {
    var policy = PolicyMessage(action: 0)
    #expect(try reason(policy) == nil)
    policy.attributes = [PolicyMessage.template]
    #expect(try reason(policy) == Self.protected)
    policy.action = 1
    #expect(try reason(policy) == Self.blocked)
    policy.action = 99
    #expect(try reason(policy) == Self.blocked, "an action that nobody knows allows nothing")
  }

  @Test func theLowestPriorityCountsAndOfEqualOnesTheStrictest() throws {
    let block = { PolicyMessage(action: 1, priority: $0) }
    let allow = { PolicyMessage(action: 0, priority: $0) }
    #expect(try reason(block(10), allow(5)) == nil)
    #expect(try reason(allow(10), block(5)) == Self.blocked)
    #expect(try reason(allow(5), block(5)) == Self.blocked)
    #expect(try reason(block(5), allow(5)) == Self.blocked)
    #expect(try reason(PolicyMessage(to: "10.9.0.0/16", action: 0, priority: 1), block(5)) == Self.blocked)
  }

  @Test func subPoliciesAndMainOnesBothCount() throws {
    var sub = PolicyMessage(action: 0, priority: 1)
    sub.attributes = [(16, [1, 0, 0, 0, 0, 0])]
    #expect(try reason(sub, PolicyMessage(action: 1, priority: 5)) == Self.blocked)
    sub.action = 1
    #expect(try reason(sub, PolicyMessage(action: 0, priority: 0)) == Self.blocked)
  }

  @Test func whatNoPolicyCoversFollowsTheDefault() throws {
    let block: [UInt8] = [0, 0, 1]
    #expect(try reason(defaults: [2, 2, 2]) == nil)
    #expect(try reason(defaults: [1, 1, 2]) == nil)
    #expect(try reason(defaults: block) == "IPsec blocks what no policy lets out")
    #expect(try reason(for: flow(isLoopback: true), defaults: block) == nil)
    #expect(try reason(PolicyMessage(action: 0), defaults: block) == nil)
  }

  @Test func directionsAreApart() throws {
    var policy = PolicyMessage(from: "10.77.0.2/32", to: "10.77.0.1/32")
    policy.direction = 0
    let policies = try #require(IPsecPolicies(policies: [policy.message], defaults: nil))
    #expect(policies.reason(outgoing: flow()) == nil)
    let back = flow("10.77.0.2:6004", "10.77.0.1:3478")
    #expect(policies.reason(outgoing: back) == nil)
    #expect(policies.reason(incoming: back) == "an IPsec policy blocks what comes from 10.77.0.2")
    for direction: UInt8 in [2, 3, 4, 5, 255] {
      policy.direction = direction
      #expect(try #require(IPsecPolicies(policies: [policy.message], defaults: nil)).isEmpty, "\(direction)")
    }
  }

  @Test func whatIsNotUnderstoodIsNoPolicyAtAll() {
    let whole = PolicyMessage().message
    for length in [0, 1, 56, 160, 167] {
      let cut = NetlinkMessage(type: whole.type, body: whole.body.prefix(length))
      #expect(IPsecPolicies(policies: [cut], defaults: nil) == nil, "\(length)")
    }
    #expect(IPsecPolicies(policies: [NetlinkMessage(type: 0x10, body: whole.body)], defaults: nil) == nil)
    #expect(IPsecPolicies(policies: [], defaults: NetlinkMessage(type: 0x28, body: [1, 1])) == nil)
  }

  @Test func oddLengthsAndAttributesTrapNobody() throws {
    var policy = PolicyMessage(from: "255.255.255.255/255", to: "10.77.0.2/255")
    policy.attributes = [(21, [1]), (5, []), (16, []), (31, [1, 2])]
    _ = try reason(policy)
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0..<400)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let message = NetlinkMessage(type: IPsecPolicy.messageType, body: bytes[...])
      _ = IPsecPolicies(policies: [message], defaults: message)?.reason(outgoing: flow())
      _ = NetlinkMessage.all(in: bytes[...]).map { $0.attributes(after: 4) }
    }
  }
}
