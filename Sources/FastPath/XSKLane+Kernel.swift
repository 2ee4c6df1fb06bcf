import CFastPathABI
import Forwarding
import Glibc
import Wire

// Which sources the kernel forwards: chosen anew whenever a sink, a way or an interface changes.
extension XSKLane {
  // MARK: Commands

  /// Before the forwarder carries a command out: what it decides by must be where the kernel is.
  mutating func prepareKernel(for command: FastPathCommand, _ forwarder: inout Forwarder, now: Instant) {
    guard kernel != nil else { return }
    switch command {
    case .addSource(let source): kernel?.candidates[source.id] = source
    case .removeSource(let id): forget(id, now: now)
    case .removeTransport(let id), .moveTransport(let id, _):
      for (source, entry) in kernel?.candidates ?? [:] where entry.transport == id {
        if case .removeTransport = command { forget(source, now: now) }
      }
      kernel?.markAllDirty()
    case .addTransport: kernel?.markAllDirty()
    case .addSink(let sink):
      kernel?.sourceOf[sink.id] = sink.source
      kernel?.dirty.insert(sink.source)
      kernel?.absorb(sink.source, into: &forwarder)
    case .pauseSink(let id, _): withdraw(sourceOf: id, &forwarder, now: now)
    case .removeSink(let id):
      guard let source = kernel?.sourceOf.removeValue(forKey: id) else { return }
      kernel?.dirty.insert(source)
      kernel?.absorb(source, into: &forwarder)
    // Those of encrypted transports.
    case .readExtensions, .roundTrip: break
    case .trace, .expect: return
    case .retransmit(let id, _, _):
      if let source = kernel?.sourceOf[id] { kernel?.absorb(source, into: &forwarder) }
    // What is captured goes by the worker.
    case .capture(_, .include), .capture(_, .end): kernel?.markAllDirty()
    case .capture: break
    }
    if case .addSource(let source) = command { kernel?.dirty.insert(source.id) }
  }

  private mutating func forget(_ id: SourceID, now: Instant) {
    kernel?.replace(id, by: nil, now: now)
    kernel?.candidates[id] = nil
    kernel?.dirty.remove(id)
    kernel?.crowdedOut.remove(id)
  }

  /// A pause ends the sink's numbers where they are: no packet may be on its way in the kernel then.
  private mutating func withdraw(sourceOf sink: SinkID, _ forwarder: inout Forwarder, now: Instant) {
    guard let source = kernel?.sourceOf[sink] else { return }
    kernel?.dirty.insert(source)
    guard kernel?.installed[source]?.isForwarding == true else { return }
    carryOut(.worker(reason: "a pause"), for: source, route: nil, now: now)
    usleep(100)
    kernel?.absorbAll(source, into: &forwarder)
  }

  // MARK: Choosing

  /// Brings the kernel's routes up to date. Cheap when nothing changed.
  mutating func chooseLanes(_ forwarder: inout Forwarder, now: Instant) {
    kernel?.clean(now: now, into: &forwarder)
    followOverflows(now: now)
    guard let dirty = kernel?.dirty, !dirty.isEmpty else { return }
    kernel?.dirty = []
    for id in dirty { choose(id, &forwarder, now: now) }
  }

  private mutating func followOverflows(now: Instant) {
    guard let (losses, hasEnded) = kernel?.overflows?.turn(interfaces.attachedIndices, now: now),
      kernel?.retreats == true
    else { return }
    for loss in losses {
      log(
        "warning", "an interface had no room for copies of bursts; the worker makes them for a while",
        [
          "interface": links[loss.interface]?.name ?? "\(loss.interface)", "lost": "\(loss.lost)",
          "made": "\(loss.made)",
          "seconds": "\(Int(loss.retreat.seconds))",
        ])
    }
    if hasEnded || !losses.isEmpty { kernel?.markAllDirty() }
  }

  private mutating func choose(_ id: SourceID, _ forwarder: inout Forwarder, now: Instant) {
    guard let source = kernel?.candidates[id] else { return }
    kernel?.absorb(id, into: &forwarder)
    switch forwarder.kernelRoute(of: id) {
    case .failure(let refusal):
      if refusal.isPassing { kernel?.dirty.insert(id) }
      let isLimited = source.rateLimit != RateLimit()
      guard isLimited || kernel?.installed[id] != nil else { return }
      carryOut(.worker(reason: refusal.reason), for: id, route: nil, now: now)
      kernel?.absorb(id, into: &forwarder)
    case .success(let route):
      carryOut(plan(route), for: id, route: route, now: now)
      // What the kernel forwarded until a moment ago.
      kernel?.absorb(id, into: &forwarder)
    }
  }

  /// From one packet to the next, or, without room, not at all.
  private mutating func carryOut(_ plan: KernelLane.Plan, for id: SourceID, route: SourceRoute?, now: Instant) {
    guard kernel?.installed[id]?.plan != plan else { return }
    guard let (new, value) = kernel?.write(plan, for: id, route: route) else {
      if case .kernel = plan, kernel?.installed[id] != nil {
        carryOut(.worker(reason: Self.tablesAreFull), for: id, route: nil, now: now)
      }
      if kernel?.crowdedOut.insert(id).inserted == true {
        log("error", "no room for source \(id.rawValue) in the kernel lane's tables", [:])
      }
      return
    }
    if routes.set(id, value, in: interfaces.program) {
      kernel?.replace(id, by: new, now: now)
    } else {
      kernel?.discard(new, of: id)
    }
  }

  private static let tablesAreFull = "the kernel lane's tables are full"

  private func plan(_ route: SourceRoute) -> KernelLane.Plan {
    guard let origin = destinations[route.transport] else { return .worker(reason: "its transport is gone") }
    guard origin.arrivalReason.isEmpty else { return .worker(reason: origin.arrivalReason) }
    let source = origin.tuple
    guard route.sinks.count <= Int(FP_MAX_FANOUT.rawValue) else {
      return .worker(reason: "more than \(FP_MAX_FANOUT.rawValue) sinks")
    }
    guard case .neighbour(_, let arrival, _)? = hops.hop(source), let incoming = links[arrival] else {
      return .worker(reason: "no way back to the source is known")
    }
    if let reason = reasonForWorker(incoming) { return .worker(reason: reason) }
    if route.sinks.count > Self.vethRing, route.sinks.contains(where: { isBehindVeth($0) }) {
      return .worker(
        reason: "a veth with GRO at its other end holds \(Self.vethRing) packets, fewer than there are sinks")
    }
    var copies: [KernelLane.Copy] = []
    do throws(LaneRefusal) {
      for sink in route.sinks { copies.append(try copy(sink, from: source, mtu: incoming.mtu)) }
      let program = try program(copies, incoming)
      if case .xdp(let interface, _) = program, kernel?.retreats == true,
        kernel?.overflows?.isRetreating(interface) == true
      {
        return .worker(reason: "\(links[interface]?.name ?? "its interface") had no room for bursts of copies")
      }
      return .kernel(program, copies)
    } catch {
      return .worker(reason: error.reason)
    }
  }

  /// Where the configuration leaves the kernel lane out.
  private func reasonForWorker(_ link: Link) -> String? {
    lanes.leavesOutKernel([link.name, carrier(of: link).name])
      ? "the configuration asks for the xsk lane on \(link.name)" : nil
  }

  private func keepToWorker(_ link: Link) throws(LaneRefusal) {
    if let reason = reasonForWorker(link) { throw LaneRefusal(reason: reason) }
  }

  private static var vethRing: Int { 256 }

  private func isBehindVeth(_ sink: KernelSink) -> Bool {
    guard let tuple = destinations[sink.transport]?.tuple, case .neighbour(_, let index, _)? = hops.hop(tuple),
      let link = links[index], link.kind == "veth"
    else { return false }
    return interfaces.reasonAgainstXDP(link) == nil
  }

  private func copy(_ sink: KernelSink, from source: FiveTuple, mtu: Int) throws(LaneRefusal) -> KernelLane.Copy {
    guard let destination = destinations[sink.transport] else {
      throw LaneRefusal(reason: "a sink's transport is gone")
    }
    let tuple = destination.tuple
    guard tuple.remote.ip.isV6 == source.remote.ip.isV6, tuple.local.ip.isV6 == tuple.remote.ip.isV6 else {
      throw LaneRefusal(reason: "\(tuple.remote) is of another address family than the source")
    }
    let way = try way(destination)
    try keepToWorker(way.link)
    guard way.mtu >= mtu || way.link.isLoopback else {
      throw LaneRefusal(reason: "the way to \(tuple.remote.ip) takes shorter packets than the source's")
    }
    return KernelLane.Copy(
      sink: sink, tuple: tuple, destination: way.hardwareAddress, source: way.link.hardwareAddress,
      interface: way.link.index)
  }

  private func program(_ copies: [KernelLane.Copy], _ incoming: Link) throws(LaneRefusal) -> KernelLane.Program {
    let carrier = carrier(of: incoming)
    let reason: String
    do throws(LaneRefusal) {
      return try xdp(copies, carrier)
    } catch {
      reason = error.reason
    }
    // The packets must have come by an interface that the TC program is on, and their tag is not undone there.
    guard incoming.vlan == nil else {
      throw LaneRefusal(reason: "\(reason), and TC does not take what comes by a VLAN")
    }
    guard kernel?.tc != nil else { throw LaneRefusal(reason: "\(reason); \(kernel?.tcReason ?? "")") }
    if let refusal = kernel?.tcRefusals[carrier.index] {
      throw LaneRefusal(reason: "\(reason); \(carrier.name): \(refusal)")
    }
    guard interfaces.attachedIndices.contains(carrier.index) else {
      throw LaneRefusal(reason: interfaces.reason(carrier))
    }
    return .tc(reason: reason)
  }

  private func xdp(_ copies: [KernelLane.Copy], _ carrier: Link) throws(LaneRefusal) -> KernelLane.Program {
    if kernel?.avoidsXDP == true { throw LaneRefusal(reason: "the configuration asks for it") }
    if let reason = interfaces.reasonAgainstXDP(carrier), carrier.index == copies.first?.interface || copies.isEmpty {
      throw LaneRefusal(reason: reason)
    }
    guard let interface = copies.first?.interface, let link = links[interface] else {
      throw LaneRefusal(reason: "no sink")
    }
    guard copies.allSatisfy({ $0.interface == interface }) else {
      throw LaneRefusal(reason: "the sinks are behind several interfaces")
    }
    guard link.vlan == nil else { throw LaneRefusal(reason: "\(link.name) is a VLAN") }
    if let reason = interfaces.reasonAgainstXDP(link) { throw LaneRefusal(reason: reason) }
    // TC hands copies to the interface as the network stack does.
    if let tuple = copies.first?.tuple, let reason = outputReason([.device], tuple, link) {
      throw LaneRefusal(reason: reason)
    }
    guard interfaces.isNative(carrier.index) else { throw LaneRefusal(reason: "\(carrier.name) has no native XDP") }
    // What XDP_TX sends into a veth lies there until something else is sent, unless the other end has a program.
    guard copies.count > 1 || interface != carrier.index || link.kind == "veth" else {
      return .xdp(interface: interface, broadcast: 0)
    }
    guard let entries = Broadcasts.entries(for: copies.count) else { throw LaneRefusal(reason: "too many sinks") }
    return .xdp(interface: interface, broadcast: UInt32(entries))
  }

  // MARK: Telling

  /// Everything the kernel counted of every source.
  mutating func absorbAll(into forwarder: inout Forwarder) {
    let ids = kernel?.installed.keys.map { $0 } ?? []
    for id in ids { kernel?.absorb(id, into: &forwarder) }
  }

  /// For people, why a stream of the xsk lane is not in the kernel's; empty if nothing is known yet.
  func notInKernel(_ reason: String?) -> String {
    let reason = reason ?? (kernel == nil ? "there is no kernel lane" : nil)
    return reason.map { "not in the kernel: \($0)" } ?? ""
  }

  /// The lane of a source that the kernel lane has something to say about.
  func kernelLane(of id: SourceID) -> (isKernel: Bool, reason: String)? {
    switch kernel?.installed[id]?.plan {
    case .kernel(.xdp, _): (true, "XDP")
    case .kernel(.tc(let reason), _): (true, "TC: \(reason)")
    case .worker(let reason): (false, reason)
    case nil: kernel?.crowdedOut.contains(id) == true ? (false, Self.tablesAreFull) : nil
    }
  }

  func kernelLane(of id: SinkID) -> (isKernel: Bool, reason: String)? {
    guard let source = kernel?.sourceOf[id] else { return nil }
    return kernelLane(of: source)
  }

  mutating func forgetSinks(except living: Set<SinkID>) {
    guard let sinks = kernel?.sourceOf, sinks.count > living.count else { return }
    kernel?.sourceOf = sinks.filter { living.contains($0.key) }
  }

  var kernelMaps: [MapFill] {
    guard kernel != nil else { return [] }
    return [
      MapFill(
        name: "sinks", used: kernel?.tables.freeSinks.used ?? 0, capacity: kernel?.tables.freeSinks.capacity ?? 0),
      MapFill(
        name: "routed_sources", used: kernel?.tables.freeStates.used ?? 0,
        capacity: kernel?.tables.freeStates.capacity ?? 0),
    ]
  }

  /// How the TC program is on every interface.
  func withTC(_ status: InterfaceStatus) -> InterfaceStatus {
    var status = status
    if kernel?.tc?.interfaces.contains(status.index) == true {
      status.tcMode = "tcx"
    } else if status.xdpMode.isEmpty {
      status.tcReason = status.reason
    } else if kernel == nil {
      status.tcReason = "there is no kernel lane"
    } else {
      status.tcReason = kernel?.tcRefusals[status.index] ?? kernel?.tcReason ?? ""
    }
    return status
  }

  var programs: [ProgramStatus] { interfaces.program.programs() + (kernel?.tc?.programs() ?? []) }

  var kernelVerdicts: [VerdictCount] {
    let lost = kernel?.overflows.map { [VerdictCount(name: "xdp_copy_overflow", count: $0.lost)] } ?? []
    return lost + (kernel?.tc?.verdictCounts() ?? []).map { VerdictCount(name: $0.name, count: $0.count) }
  }
}
