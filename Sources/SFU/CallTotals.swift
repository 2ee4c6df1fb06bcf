import Forwarding

/// How much there is of everything: what a monitor asks for again and again, without a look at each stream's particulars.
public struct CallTotals: Sendable, Hashable {
  public var rooms = 0
  public var participants = 0
  /// Inbound RTP streams by lane.
  public var sources: [Lane: Int] = [:]
  /// Outbound copies by lane.
  public var sinks: [Lane: Int] = [:]
  public var draining = false
  public var counters = SFUCounters()
  public init() {}

  /// Of a report.
  public init(_ report: Report) {
    let peers = report.rooms.flatMap(\.participants).flatMap(\.peers)
    rooms = report.rooms.count
    participants = report.rooms.reduce(0) { $0 + $1.participants.count }
    for lane in peers.flatMap(\.sources).compactMap({ Lane(rawValue: $0.lane) }) { sources[lane, default: 0] += 1 }
    for lane in peers.flatMap(\.sinks).compactMap({ Lane(rawValue: $0.lane) }) { sinks[lane, default: 0] += 1 }
    draining = report.draining
    counters = report.counters
  }
}

extension SFU {
  /// As of a report, for a small part of its cost.
  public func totals() -> CallTotals {
    var totals = CallTotals()
    totals.rooms = rooms.count
    totals.participants = participants.count
    for state in sources.values { totals.sources[state.statistics.lane, default: 0] += 1 }
    for state in sinks.values { totals.sinks[state.statistics.lane, default: 0] += 1 }
    // A clear sender's stream that has not come yet is shown as well.
    let awaited = tracks.values.count { $0.source == nil && peers[$0.peer]?.connection.isClear == true }
    if awaited > 0 { totals.sources[.socket, default: 0] += awaited }
    totals.draining = isDraining
    totals.counters = counters
    return totals
  }
}
