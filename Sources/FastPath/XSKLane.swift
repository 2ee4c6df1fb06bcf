import CFastPathABI
import CXDP
import Forwarding
import Glibc
import Netlink
import Wire

/// What the xsk lane needs besides its rings: the XDP program on the interfaces, the routes in its tables, and the
/// headers of frames to every transport, all kept in step with commands and with the host.
struct XSKLane: ~Copyable {
  struct Destination {
    var index: Int
    var tuple: FiveTuple
    var isClear: Bool
    /// Whether its checks came as they were on the cable. That is once and for all: a flow that began untranslated stays so.
    var isUntranslated = false
    /// Why copies take the socket lane; empty if they do not.
    var reason = ""
    /// Why what it sends is left to the network stack; empty if it is not.
    var arrivalReason = ""
  }

  var interfaces: Interfaces
  var routes = XDPRoutes()
  var hops = NextHops()
  var ipsec = IPsecDatabase()
  var output = OutputDatabase()
  let lanes: InterfaceLanes
  /// Transports whose checks the XDP program has not seen as they came to us.
  private var translated: Set<TransportID> = []
  private var netlink: NetlinkSocket
  private var monitor: NetlinkSocket
  var links: [UInt32: Link] = [:]
  private var localAddresses: Set<IPAddress> = []
  var destinations: [TransportID: Destination] = [:]
  /// nil: the configuration leaves it out, or it cannot be had.
  var kernel: KernelLane?
  /// nil: it cannot be had.
  var tracer: Tracer?
  private let limits: (transports: Int, sources: Int)
  let log: FastPath.Log

  // What the host's notifications made out of date.
  private var hopsAreOld = false
  private var rulesAreOld = true
  private var distinguishesPorts = false
  private var linksAreOld = true
  private var addressesAreOld = true
  private var hopsDue = Instant.zero
  private var retryDue = Instant.zero

  private static let hopsInterval = Interval.seconds(1)
  private static let retryInterval = Interval.seconds(5)
  /// RTMGRP_LINK, _NEIGH, _TC, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and RTNLGRP_IPV6_RULE
  private static let groups: UInt32 = 0x1 | 0x4 | 0x8 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000

  /// Loads the program; `turn` attaches it.
  static func load(
    _ configuration: FastPathConfiguration, port: UInt16, log: @escaping FastPath.Log
  ) throws(LaneRefusal) -> XSKLane {
    guard let netlink = NetlinkSocket(), let monitor = NetlinkSocket(groups: Self.groups) else {
      throw LaneRefusal(reason: "the kernel's routing tables cannot be read (\(SystemError.text(errno)))")
    }
    let limits = (transports: configuration.maximumTransports, sources: configuration.maximumSources)
    let program = try XDPProgram(port: port, maximumTransports: limits.transports, maximumSources: limits.sources)
    var kernel: KernelLane?
    if configuration.lane != .xsk {
      do throws(LaneRefusal) {
        kernel = try KernelLane(port: port, program)
        kernel?.avoidsXDP = configuration.kernelLaneAvoidsXDP
        kernel?.retreats = configuration.lane != .kernel
        if let reason = kernel?.tcReason, !reason.isEmpty {
          log("warning", "TC does not forward clear RTP", ["reason": reason])
        }
        if let reason = kernel?.overflowReason, !reason.isEmpty {
          log("warning", "copies that an interface has no room for are not seen", ["reason": reason])
        }
      } catch {
        log("notice", "there is no kernel lane", ["reason": error.reason])
      }
    }
    let tracer = Tracer(program)
    var lane = XSKLane(
      Interfaces(program, configuration, log: log), netlink, monitor: monitor, limits: limits,
      lanes: InterfaceLanes(configuration.interfaceLanes), log: log)
    lane.kernel = kernel
    lane.tracer = tracer
    return lane
  }

  private init(
    _ interfaces: consuming Interfaces, _ netlink: consuming NetlinkSocket, monitor: consuming NetlinkSocket,
    limits: (transports: Int, sources: Int), lanes: InterfaceLanes, log: @escaping FastPath.Log
  ) {
    self.interfaces = interfaces
    self.netlink = netlink
    self.monitor = monitor
    self.limits = limits
    self.lanes = lanes
    self.log = log
  }

  /// What the host tells of its changes by.
  struct News {
    var hasRoutes = false
    var hasPolicies = false
    var hasChains = false
  }

  /// Readable when the host's tables, its IPsec policies, or its rules have changed.
  var monitorDescriptor: CInt { monitor.descriptor }
  var policiesDescriptor: CInt { ipsec.monitorDescriptor }
  var chainsDescriptor: CInt { output.monitorDescriptor }
  /// Whether there is more to look up or to ready at once.
  var isBusy: Bool { hops.isBusy || interfaces.isBusy }

  // MARK: Commands

  mutating func add(_ id: TransportID, _ tuple: FiveTuple, isClear: Bool, index: Int, paths: inout PathTable) {
    complain(routes.add(id, tuple, to: interfaces.program))
    hops.acquire(tuple, &netlink, links: links)
    destinations[id] = Destination(index: index, tuple: tuple, isClear: isClear)
    followHost(id, &paths)
  }

  mutating func move(_ id: TransportID, to tuple: FiveTuple, paths: inout PathTable) {
    guard let old = destinations[id] else { return }
    complain(routes.move(id, to: tuple, in: interfaces.program))
    hops.acquire(tuple, &netlink, links: links)
    hops.release(old.tuple)
    destinations[id]?.tuple = tuple
    destinations[id]?.isUntranslated = false
    followHost(id, &paths)
  }

  mutating func remove(_ id: TransportID) {
    routes.remove(id, from: interfaces.program)
    translated.remove(id)
    if let old = destinations.removeValue(forKey: id) { hops.release(old.tuple) }
  }

  mutating func add(_ source: Source) { complain(routes.add(source, to: interfaces.program)) }

  mutating func remove(_ id: SourceID) { routes.remove(id, from: interfaces.program) }

  private func complain(_ complaint: XDPRoutes.Complaint?) {
    if let complaint { log("error", complaint, [:]) }
  }

  // MARK: Ways

  /// Finds out how copies reach a transport, and who takes what it sends.
  private mutating func followHost(_ id: TransportID, _ paths: inout PathTable) {
    setArrival(id)
    setFrames(id, &paths)
  }

  private mutating func setArrival(_ id: TransportID) {
    guard let tuple = destinations[id]?.tuple else { return }
    let reason = arrivalReason(tuple)
    destinations[id]?.arrivalReason = reason
    routes.leave(id, toStack: !reason.isEmpty, in: interfaces.program)
  }

  private mutating func setFrames(_ id: TransportID, _ paths: inout PathTable) {
    guard let destination = destinations[id] else { return }
    translated.remove(id)
    do throws(LaneRefusal) {
      let path = try framePath(destination)
      if !destination.isClear, !destination.isUntranslated {
        guard hasSeenChecks(destination.tuple) else {
          translated.insert(id)
          throw LaneRefusal(reason: Self.isTranslated)
        }
        destinations[id]?.isUntranslated = true
      }
      paths.setFrames(destination.index, path)
      destinations[id]?.reason = ""
    } catch {
      paths.setFrames(destination.index, nil)
      destinations[id]?.reason = error.reason
    }
  }

  /// Clients' checks that come to us from and to other addresses than they have on the cable. The answers need what the network
  /// stack does to them.
  private static let isTranslated =
    "the host translates its addresses (NAT), or its checks do not come by the fast path"

  private func hasSeenChecks(_ tuple: FiveTuple) -> Bool {
    var key = fp_tuple(tuple)
    var value: UInt32 = 0
    return bpf_map_lookup_elem(interfaces.program.checks, &key, &value) == 0
  }

  private func framePath(_ destination: Destination) throws(LaneRefusal) -> FramePath {
    let tuple = destination.tuple
    let way = try way(destination)
    let link = way.link
    let carrier = carrier(of: link)
    if let reason = outputReason([.device], tuple, link) { throw LaneRefusal(reason: reason) }
    guard let socket = interfaces.socket(onInterface: carrier.index) else {
      throw LaneRefusal(reason: interfaces.reason(carrier))
    }
    let header = FramePath.LinkHeader(
      destination: way.hardwareAddress, source: link.hardwareAddress, vlan: link.vlan?.id)
    guard let path = FramePath(tuple, link: header, socket: socket, mtu: min(way.mtu, PacketMemory.payloadCapacity))
    else {
      throw LaneRefusal(reason: "\(tuple.local) and \(tuple.remote) are of different families")
    }
    return path
  }

  /// How a frame reaches a transport.
  struct Way {
    /// The one the kernel routes to: it may be a VLAN.
    var link: Link
    var hardwareAddress: [UInt8]
    var mtu: Int
  }

  /// The way of a frame that leaves past the network stack: only where the stack would send it, and as it is. What an interface
  /// has on its way out is not looked at yet.
  func way(_ destination: Destination) throws(LaneRefusal) -> Way {
    let tuple = destination.tuple
    switch hops.hop(tuple) {
    case nil: throw LaneRefusal(reason: "no route to \(tuple.remote.ip) is known yet")
    case .unreachable(let reason): throw LaneRefusal(reason: reason)
    case .neighbour(let hardwareAddress, let index, let mtu):
      guard let link = links[index] else { throw LaneRefusal(reason: "the route's interface is unknown") }
      let carrier = carrier(of: link)
      guard !lanes.isSocket(carrier.name) else { throw LaneRefusal(reason: interfaces.reason(carrier)) }
      let flow = HostFlow(
        from: tuple.local, to: tuple.remote, interfaces: interfaces(of: link), isLoopback: link.isLoopback)
      if let reason = ipsec.reason(outgoing: flow) { throw LaneRefusal(reason: reason) }
      // An encrypted transport began with the client's checks: how they came says whether anybody translates.
      if let reason = outputReason(destination.isClear ? [.network, .connection] : [.network], tuple, link) {
        throw LaneRefusal(reason: reason)
      }
      return Way(link: link, hardwareAddress: hardwareAddress, mtu: min(link.mtu, mtu ?? link.mtu))
    }
  }

  /// Why the network stack must look at what comes from a transport; empty if it need not.
  private func arrivalReason(_ tuple: FiveTuple) -> String {
    var isLoopback = tuple.remote.ip.isLoopback
    if case .neighbour(_, let index, _)? = hops.hop(tuple) { isLoopback = links[index]?.isLoopback ?? isLoopback }
    // It may come by another interface than the one that leads to its sender.
    let flow = HostFlow(from: tuple.remote, to: tuple.local, interfaces: [], isLoopback: isLoopback)
    return ipsec.reason(incoming: flow) ?? ""
  }

  /// Why the host's rules may want something else with a frame; nil: there are none, or the configuration passes over them.
  func outputReason(_ stages: Set<OutputRule.Stage>, _ tuple: FiveTuple, _ link: Link) -> String? {
    let names = [link.name, carrier(of: link).name]
    guard !lanes.passesRules(names) else { return nil }
    return output.rules.reason(stages, isV6: tuple.remote.ip.isV6, interfaces: names)
  }

  /// The interface that has the frames: beneath a VLAN its parent.
  func carrier(of link: Link) -> Link { link.vlan.flatMap { links[$0.parent] } ?? link }

  private func interfaces(of link: Link) -> [UInt32] {
    [link.index, link.master, link.vlan?.parent ?? 0].filter { $0 != 0 }
  }

  private mutating func followHost(_ paths: inout PathTable) {
    for id in destinations.keys { followHost(id, &paths) }
    kernel?.markAllDirty()
  }

  // MARK: The host's changes

  /// Catches up with the host; `news` says which descriptors are readable. Returns whether the AF_XDP sockets, or what to wait
  /// for, are others now.
  mutating func turn(
    now: Instant, news: News, memory: inout PacketMemory, sockets: inout XSKTable, paths: inout PathTable
  ) -> Bool {
    if news.hasRoutes { readNotifications() }
    let watched = (policiesDescriptor, chainsDescriptor)
    if ipsec.turn(now: now, hasNews: news.hasPolicies) {
      tellOfIPsec()
      followHost(&paths)
    }
    if interfaces.proceedSending(now: now) { kernel?.markAllDirty() }
    var hasChanged = false
    let isRetry = now >= retryDue
    if linksAreOld || isRetry {
      linksAreOld = false
      retryDue = now.advanced(by: Self.retryInterval)
      let before = links
      links = netlink.links()
      hasChanged = interfaces.follow(links, memory: &memory, sockets: &sockets, now: now)
      let hasSendingChanged = followKernel(now: now)
      if hasChanged || hasSendingChanged || links != before {
        output.devicesChanged()
        followHost(&paths)
        hopsAreOld = true
      }
    }
    if output.turn(now: now, hasNews: news.hasChains, links: links, &netlink) {
      tellOfOutput()
      followHost(&paths)
    }
    if addressesAreOld || isRetry {
      addressesAreOld = false
      updateLocalAddresses()
    }
    refreshHops(now: now, isRetry: isRetry, &paths)
    return hasChanged || watched != (policiesDescriptor, chainsDescriptor)
  }

  private func tellOfOutput() {
    let rules = output.rules.rules.map(\.name)
    guard !rules.isEmpty else { return log("notice", "the host has no output rules any more", [:]) }
    log(
      "warning", "the host's output rules keep media on the socket lane; interface-lanes can pass over them",
      ["rules": rules.joined(separator: ", ")])
  }

  private func tellOfIPsec() {
    if !ipsec.refusal.isEmpty {
      log("warning", "all media takes the socket lane", ["reason": ipsec.refusal])
    } else if ipsec.policies.isEmpty {
      log("notice", "the host has no IPsec policies", [:])
    } else {
      log(
        "notice", "what the host's IPsec policies cover takes the socket lane",
        ["policies": "\(ipsec.policies.count)"])
    }
  }

  /// Readies interfaces for the kernel lane. Returns whether any can do more or less than before.
  private mutating func followKernel(now: Instant) -> Bool {
    guard kernel != nil else { return false }
    if let refusals = kernel?.tc?.follow(interfaces.attachedIndices) { kernel?.tcRefusals = refusals }
    return interfaces.followSending(now: now)
  }

  private mutating func readNotifications() {
    let (messages, areLost) = monitor.notifications()
    for message in messages {
      switch message.type {
      case RTM_NEWLINK, RTM_DELLINK: linksAreOld = true
      case RTM_NEWADDR, RTM_DELADDR:
        addressesAreOld = true
        hopsAreOld = true
      case RTM_NEWRULE, RTM_DELRULE:
        rulesAreOld = true
        hopsAreOld = true
      case _ where QueueingDiscipline.messageTypes.contains(message.type): output.devicesChanged()
      default: hopsAreOld = true
      }
    }
    if areLost {
      (linksAreOld, addressesAreOld, hopsAreOld, rulesAreOld) = (true, true, true, true)
      output.devicesChanged()
    }
  }

  private mutating func refreshHops(now: Instant, isRetry: Bool, _ paths: inout PathTable) {
    if rulesAreOld || isRetry {
      rulesAreOld = false
      distinguishesPorts = netlink.distinguishesPorts()
    }
    if hopsAreOld || now >= hopsDue, !hops.isBusy {
      hopsAreOld = false
      hopsDue = now.advanced(by: Self.hopsInterval)
      hops.invalidate(distinguishesPorts: distinguishesPorts)
      // Those whose checks have come meanwhile.
      for id in translated where destinations[id].map({ hasSeenChecks($0.tuple) }) ?? false { setFrames(id, &paths) }
    }
    guard hops.isBusy else { return }
    let changed = hops.refresh(&netlink, links: links)
    guard !changed.isEmpty else { return }
    kernel?.markAllDirty()
    for (id, destination) in destinations where changed.contains(destination.tuple) { followHost(id, &paths) }
  }

  /// The program leaves alone what is not to one of these.
  private mutating func updateLocalAddresses() {
    // Those we know stay when they cannot be read; the next turn of retries asks again.
    guard let assigned = try? HostAddresses.assigned() else { return }
    let found = Set(assigned)
    for ip in found.subtracting(localAddresses) {
      var key = fp_address(ip)
      var value: UInt32 = 1
      bpf_map_update_elem(interfaces.program.localAddresses, &key, &value, UInt64(BPF_ANY))
    }
    for ip in localAddresses.subtracting(found) {
      var key = fp_address(ip)
      bpf_map_delete_elem(interfaces.program.localAddresses, &key)
    }
    localAddresses = found
  }

  // MARK: Telling and ending

  /// Why copies to a transport take the socket lane; empty if they take this one, nil if it is unknown.
  func reason(_ id: TransportID) -> String? { destinations[id]?.reason }

  /// Why packets of a transport come by the UDP socket, likewise.
  func arrivalReason(_ id: TransportID) -> String { destinations[id]?.arrivalReason ?? "" }

  var statuses: [InterfaceStatus] {
    var statuses = interfaces.statuses
    for i in statuses.indices {
      statuses[i] = withTC(statuses[i])
      if statuses[i].lane == .xsk, statuses[i].reason.isEmpty {
        statuses[i].reason = outputReason(on: statuses[i].name)
      }
    }
    return statuses
  }

  /// For people, why copies do not leave by an interface although it has the fast path; empty if they do.
  private func outputReason(on name: String) -> String {
    guard !lanes.passesRules([name]) else { return "" }
    let found = [false, true].compactMap { isV6 in
      output.rules.reason([.network, .device], isV6: isV6, interfaces: [name])
    }
    return found.first.map { "copies take the socket lane: \($0)" } ?? ""
  }

  var verdicts: [VerdictCount] {
    interfaces.program.verdictCounts().map { VerdictCount(name: $0.name, count: $0.count) } + kernelVerdicts
  }

  var maps: [MapFill] {
    [
      MapFill(name: "transports", used: routes.transportCount, capacity: limits.transports),
      MapFill(name: "sources", used: routes.sourceCount, capacity: limits.sources),
      MapFill(
        name: "local_addresses", used: localAddresses.count, capacity: Int(FP_MAX_LOCAL_ADDRESSES.rawValue)),
    ] + kernelMaps
  }

  /// Detaches every program, closes every socket and puts the settings of `lo` back.
  mutating func end(memory: inout PacketMemory, sockets: inout XSKTable) {
    kernel = nil
    interfaces.detachAll(memory: &memory, sockets: &sockets)
  }
}
