import Netlink
import Testing
import Wire

@Suite struct OutputRulesTests {
  private static let newChain = 10 << 8 | 3

  /// NFT_MSG_NEWCHAIN. `hook` nil: a chain that is no hook's.
  private func chain(
    family: UInt8 = 1, hook: UInt32? = 3, kind: String = "filter", use: UInt32 = 1, policy: UInt32 = 1,
    device: [UInt8]? = nil
  ) -> NetlinkMessage {
    var request = NetlinkRequest(type: Self.newChain)
    request.append(family)
    request.append(UInt8(0))
    request.append(UInt16(0))
    request.attribute(1, Array("t\0".utf8))
    request.attribute(3, Array("c\0".utf8))
    if let hook {
      var hooks = NetlinkRequest(type: 0)
      hooks.attribute(1, big(hook))
      hooks.attribute(2, big(0))
      if let device { hooks.attribute(4, device) }
      request.attribute(0x8004, Array(hooks.bytes.dropFirst(16)))
      request.attribute(5, big(policy))
    }
    request.attribute(6, big(use))
    request.attribute(7, Array((kind + "\0").utf8))
    return NetlinkMessage.all(in: request.finished(sequence: 1)[...])[0]
  }

  private func big(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }

  @Test(arguments: [(1, "inet", nil), (2, "ip", false), (10, "ip6", true)] as [(UInt8, String, Bool?)])
  func chainsOfTheOutputAndAfterRoutingCount(_ family: UInt8, _ name: String, _ isV6: Bool?) {
    for hook: UInt32 in 0...5 {
      let expected =
        hook == 3 || hook == 4 ? [OutputRule(.network, isV6: isV6, name: "nftables chain \(name) t c")] : []
      #expect(FilterChain.rules(chain(family: family, hook: hook)) == expected, "\(hook)")
      #expect(FilterChain.rules(chain(family: family, hook: hook, kind: "nat"))?.map(\.stage) == [.connection])
    }
  }

  @Test func chainsAtTheDeviceNameIt() {
    var devices = NetlinkRequest(type: 0)
    devices.attribute(1, Array("eth0\0".utf8))
    devices.attribute(1, Array("eth1\0".utf8))
    let two = FilterChain.rules(chain(family: 5, hook: 1, device: Array(devices.bytes.dropFirst(16))))
    #expect(two?.map(\.interface) == ["eth0", "eth1"])
    #expect(two?.map(\.stage) == [.device, .device])
    devices.attribute(2, Array("eth".utf8))
    let any = FilterChain.rules(chain(family: 5, hook: 1, device: Array(devices.bytes.dropFirst(16))))
    #expect(any?.map(\.interface) == [nil], "a wildcard")
    #expect(FilterChain.rules(chain(family: 5, hook: 0)) == [], "arrivals")
  }

  @Test func whatCannotDoAnythingDoesNotCount() {
    #expect(FilterChain.rules(chain(hook: nil)) == [])
    #expect(FilterChain.rules(chain(use: 0)) == [])
    #expect(FilterChain.rules(chain(use: 0, policy: 0))?.count == 1, "it drops everything")
    #expect(FilterChain.rules(chain(family: 3)) == [], "ARP")
  }

  @Test func chainsThatAreNotUnderstoodAreNotSkipped() {
    let whole = chain()
    #expect(FilterChain.rules(NetlinkMessage(type: Self.newChain, body: whole.body.prefix(3))) == nil)
    #expect(FilterChain.rules(NetlinkMessage(type: 99, body: whole.body)) == nil)
    var nameless = NetlinkRequest(type: Self.newChain)
    nameless.append(UInt32(1))
    nameless.attribute(4, [])
    #expect(FilterChain.rules(NetlinkMessage.all(in: nameless.finished(sequence: 1)[...])[0]) == nil)
  }

  @Test func onlyTablesChainsAndRulesAreNews() {
    let changes = (0..<32).filter { FilterChain.isChange(NetlinkMessage(type: 10 << 8 | $0, body: [])) }
    #expect(changes == [0, 2, 3, 5, 6, 8])
    #expect(!FilterChain.isChange(NetlinkMessage(type: 1 << 8 | 3, body: [])))
  }

  @Test func aReasonIsOfTheRightStageFamilyAndInterface() {
    let rules = OutputRules([
      OutputRule(.network, isV6: true, name: "a"), OutputRule(.device, interface: "eth0", name: "b"),
      OutputRule(.connection, isV6: false, name: "c"),
    ])
    let reason = { rules.reason($0, isV6: $1, interfaces: $2) }
    #expect(reason([.network], true, ["eth1"]) == "the host's output rules apply: a")
    #expect(reason([.network], false, ["eth0"]) == nil)
    #expect(reason([.network, .device], false, ["eth0.5", "eth0"]) == "the host's output rules apply: b")
    #expect(reason([.device], false, ["eth1"]) == nil)
    #expect(reason([.connection], false, []) == "the host's output rules apply: c")
  }

  // MARK: Queueing disciplines

  private func discipline(_ kind: String, _ attributes: [(Int, [UInt8])] = []) -> NetlinkMessage {
    var request = NetlinkRequest(type: 36)
    for word: UInt32 in [0, 2, 0, 0xffff_ffff, 0] { request.append(word) }
    request.attribute(1, Array((kind + "\0").utf8))
    for (type, value) in attributes { request.attribute(type, value) }
    return NetlinkMessage.all(in: request.finished(sequence: 1)[...])[0]
  }

  @Test func whatShapesCountsAndWhatOnlyQueuesDoesNot() {
    for (kind, counts) in [
      ("tbf", true), ("htb", true), ("netem", true), ("new", true), ("fq_codel", false), ("mq", false),
    ] {
      let reading = QueueingDiscipline.read(discipline(kind), names: [2: "eth0"])
      #expect(reading?.rule?.name == (counts ? "queueing discipline \(kind) on eth0" : nil))
      #expect(reading?.interface == 2)
    }
    func fq(_ rate: UInt32) -> QueueingDiscipline.Reading? {
      let option: [UInt8] = [8, 0, 7, 0] + withUnsafeBytes(of: rate, Array.init)
      return QueueingDiscipline.read(discipline("fq", [(2, option)]), names: [:])
    }
    #expect(fq(.max)?.rule == nil)
    #expect(fq(125_000)?.rule?.interface == "interface 2")
    #expect(QueueingDiscipline.read(discipline("clsact"), names: [:])?.mayFilter == true)
    #expect(QueueingDiscipline.read(discipline("clsact", [(14, [1, 0, 0, 0])]), names: [:])?.rule != nil)
    #expect(QueueingDiscipline.read(NetlinkMessage(type: 36, body: [1, 2]), names: [:]) == nil)
    #expect(QueueingDiscipline.read(discipline(""), names: [:]) == nil)
  }

  // MARK: iptables

  /// A table with hooks at 3 and 4 whose chains begin and end at these offsets.
  private func table(_ name: String, hooks: UInt32 = 0b11000, first: [UInt32], last: [UInt32]) -> LegacyTable? {
    let information =
      [UInt8](repeating: 0, count: 32) + octets(hooks) + first.flatMap { octets($0) }
      + last.flatMap { octets($0) } + octets(2, 304)
    return LegacyTable(name, information: information[...], isV6: false)
  }

  /// An entry of 152 octets whose target is this verdict.
  private func entry(_ verdict: Int32) -> [UInt8] {
    var entry = [UInt8](repeating: 0, count: 112 + 40)
    entry[88] = 112
    entry.replaceSubrange(144..<148, with: octets(UInt32(bitPattern: verdict)))
    return entry
  }

  @Test func tablesOfChainsWithoutRulesThatAcceptSayNothing() throws {
    let hooks: [UInt32] = [0, 0, 0, 0, 152]
    let empty = try #require(table("filter", first: hooks, last: hooks))
    #expect(empty.size == 304)
    #expect(empty.rule(entries: (entry(-2) + entry(-2))[...]) == nil)
    #expect(empty.rule(entries: (entry(-2) + entry(-1))[...])?.name == "iptables table filter", "policy drop")
    #expect(empty.rule(entries: []) != nil, "what was not read is not skipped")
    let rule = try #require(table("mangle", first: hooks, last: [0, 0, 0, 0, 304]))
    #expect(rule.rule(entries: (entry(-2) + entry(-2) + entry(-2))[...])?.stage == .network)
    let translating = try #require(table("nat", hooks: 1, first: [0, 0, 0, 0, 0], last: [152, 0, 0, 0, 0]))
    #expect(translating.rule(entries: (entry(-2) + entry(-2))[...])?.stage == .connection)
    #expect(LegacyTable("filter", information: [1, 2], isV6: false) == nil)
  }

  // MARK: Routing rules

  @Test func rulesByPortAreToldFromOthers() {
    func rule(_ attributes: [(Int, [UInt8])]) -> Bool {
      var request = NetlinkRequest(type: 32)
      for _ in 0..<3 { request.append(UInt32(0)) }
      for (type, value) in attributes { request.attribute(type, value) }
      return RoutingRule.distinguishesPorts(NetlinkMessage.all(in: request.finished(sequence: 1)[...])[0])
    }
    #expect(!rule([]))
    #expect(!rule([(15, [1, 0, 0, 0]), (6, [0, 0, 0, 0])]))
    for type in 22...24 { #expect(rule([(type, [1, 0, 2, 0])])) }
    #expect(!RoutingRule.distinguishesPorts(NetlinkMessage(type: 32, body: [])))
  }

  @Test func oddBytesTrapNobody() {
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0..<200)).map { _ in UInt8.random(in: 0...255) }
      for type in [Self.newChain, 32, 36, 44] {
        let message = NetlinkMessage(type: type, body: bytes[...])
        _ = FilterChain.rules(message)
        _ = QueueingDiscipline.read(message, names: [:])
        _ = RoutingRule.distinguishesPorts(message)
      }
      let hooks = (0..<84).map { _ in UInt8.random(in: 0...255) }
      _ = LegacyTable("filter", information: hooks[...], isV6: true)?.rule(entries: bytes[...])
    }
  }
}
