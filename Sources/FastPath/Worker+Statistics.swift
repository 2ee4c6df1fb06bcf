import Forwarding
import Wire

// What the worker tells of itself, once a second.
extension Worker {
  @discardableResult
  mutating func publishStatistics(now: Instant) -> FastPathStatistics {
    var statistics = FastPathStatistics(at: now)
    xskLane?.absorbAll(into: &forwarder)
    let counted = forwarder.statistics()
    forgetRemoved(counted.sources, counted.sinks)
    // Loops, not map: a closure cannot borrow a noncopyable self.
    for source in counted.sources { statistics.sources.append(withLane(source)) }
    for sink in counted.sinks { statistics.sinks.append(withLane(sink)) }
    statistics.media = forwarder.mediaTotals
    counters.refusedSegments = sendV4.refusals &+ sendV6.refusals
    statistics.verdicts = counted.verdicts + counters.verdicts(xsks.statistics())
    statistics.verdicts.append(VerdictCount(name: "control_unsent", count: setup.published.unsentControlDatagrams))
    statistics.forwardingTimes = times.value
    statistics.repairTimes = repairTimes.value
    statistics.packetCache = forwarder.packetCacheStatistics
    addXSKLane(to: &statistics)
    setup.published.publish(statistics)
    return statistics
  }

  private mutating func addXSKLane(to statistics: inout FastPathStatistics) {
    if xskLane == nil {
      statistics.interfaces = interfacesOnSocketLane() ?? setup.published.latest().interfaces
      return
    }
    statistics.interfaces = xskLane?.statuses ?? []
    statistics.programs = xskLane?.programs ?? []
    statistics.maps = xskLane?.maps ?? []
    statistics.verdicts += xskLane?.verdicts ?? []
  }

  /// nil when they cannot be asked for.
  private func interfacesOnSocketLane() -> [InterfaceStatus]? {
    guard var netlink = NetlinkSocket() else { return nil }
    return InterfaceSelection(
      names: setup.configuration.interfaces, lanes: InterfaceLanes(setup.configuration.interfaceLanes)
    )
    .onSocketLane(netlink.links(), reason: socketLaneReason)
  }

  /// Sources and sinks also go with their transports.
  private mutating func forgetRemoved(_ living: [SourceStatistics], _ sinking: [SinkStatistics]) {
    if sources.count > living.count {
      let ids = Set(living.map(\.id))
      sources = sources.filter { ids.contains($0.key) }
    }
    if sinks.count > sinking.count {
      let ids = Set(sinking.map(\.id))
      sinks = sinks.filter { ids.contains($0.key) }
      xskLane?.forgetSinks(except: ids)
    }
  }

  private func withLane(_ counted: SourceStatistics) -> SourceStatistics {
    var source = counted
    let kernel = xskLane?.kernelLane(of: source.id) ?? nil
    if let kernel, kernel.isKernel {
      (source.lane, source.laneReason) = (.kernel, kernel.reason)
      return source
    }
    let reason = reason(sources[source.id])
    if source.packets == 0 || source.lane == .kernel { source.lane = reason.isEmpty ? .xsk : .socket }
    if source.lane == .xsk { source.laneReason = notInKernel(encryption(of: source.id) ?? kernel?.reason) }
    let arrival = sources[source.id].flatMap { xskLane?.arrivalReason($0) } ?? ""
    if !arrival.isEmpty { source.lane = .socket }
    if source.lane == .socket {
      source.laneReason = [arrival, reason, "its packets come by the UDP socket"].first { !$0.isEmpty } ?? ""
    }
    return source
  }

  private func withLane(_ counted: SinkStatistics) -> SinkStatistics {
    var sink = counted
    let kernel = xskLane?.kernelLane(of: sink.id) ?? nil
    if let kernel, kernel.isKernel {
      (sink.lane, sink.laneReason) = (.kernel, kernel.reason)
      return sink
    }
    let reason = reason(sinks[sink.id])
    if sink.packets == 0 || sink.lane == .kernel { sink.lane = .xsk }
    if !reason.isEmpty { sink.lane = .socket }
    if sink.lane == .xsk { sink.laneReason = notInKernel(encryption(of: sink.id) ?? kernel?.reason) }
    if sink.lane == .socket {
      sink.laneReason = reason.isEmpty ? "larger than the path takes, or not sent lately" : reason
    }
    return sink
  }

  private func encryption(of id: SourceID) -> String? { forwarder.isClear(id) ? nil : "the source is encrypted" }

  private func encryption(of id: SinkID) -> String? { forwarder.isClear(id) ? nil : "the sink is encrypted" }

  private func notInKernel(_ reason: String?) -> String {
    xskLane?.notInKernel(reason) ?? ""
  }

  /// Why packets of a transport take the socket lane; empty if they need not.
  private func reason(_ id: TransportID?) -> String {
    guard let id, xskLane != nil else { return socketLaneReason }
    return xskLane?.reason(id) ?? "its transport is gone"
  }
}
