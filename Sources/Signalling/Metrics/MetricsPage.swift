import Forwarding
import Logs
import SFU

/// The page at `/metrics`. The names are a contract: monitors use them.
public struct MetricsPage: Sendable {
  private let totals: CallTotals
  private let fastPath: FastPathStatistics
  private let server: ServerCounts

  public init(report: Report, fastPath: FastPathStatistics) {
    self.init(totals: CallTotals(report), fastPath: fastPath)
  }

  public init(totals: CallTotals, fastPath: FastPathStatistics, server: ServerCounts = ServerCounts()) {
    self.totals = totals
    self.fastPath = fastPath
    self.server = server
  }

  public var text: String {
    var page = Exposition()
    calls(&page)
    media(&page)
    repair(&page)
    control(&page)
    times(&page)
    clients(&page)
    logs(&page)
    return page.text
  }

  private func calls(_ page: inout Exposition) {
    page.metric("needletail_rooms", .gauge, "Rooms with at least one participant.", UInt64(totals.rooms))
    page.metric("needletail_participants", .gauge, "Participants in all rooms.", UInt64(totals.participants))
    page.metric(
      "needletail_sources", .gauge, "Inbound RTP streams by lane.", byLane(totals.sources))
    page.metric("needletail_sinks", .gauge, "Outbound RTP copies by lane.", byLane(totals.sinks))
    page.metric("needletail_draining", .gauge, "1 while the server takes no new participants.", totals.draining ? 1 : 0)
  }

  private func media(_ page: inout Exposition) {
    page.metric("needletail_rtp_packets_total", .counter, "RTP packets by direction and lane.", flows(\.packets))
    page.metric("needletail_rtp_bytes_total", .counter, "RTP bytes by direction and lane.", flows(\.bytes))
    page.metric(
      "needletail_fastpath_verdicts_total", .counter, "Packets by verdict of the fast path.",
      fastPath.verdicts.map { (labels: [("verdict", $0.name)], value: $0.count) })
    page.metric(
      "needletail_srtp_auth_failures_total", .counter, "SRTP packets that failed authentication.",
      fastPath.media.authenticationFailures)
    page.metric("needletail_srtp_replays_total", .counter, "SRTP packets dropped as replays.", fastPath.media.replays)
  }

  private func repair(_ page: inout Exposition) {
    let media = fastPath.media
    page.metric(
      "needletail_missing_packets_total", .counter, "Packets of publishers that did not come in time.", media.missing)
    page.metric(
      "needletail_repaired_packets_total", .counter, "Packets of publishers that came by retransmission.",
      media.repaired)
    page.metric(
      "needletail_unrepaired_packets_total", .counter, "Packets of publishers that were given up.", media.unrepaired)
    page.metric(
      "needletail_retransmitted_packets_total", .counter, "RTP packets sent to receivers again.",
      media.retransmitted.packets)
    page.metric(
      "needletail_retransmitted_bytes_total", .counter, "RTP bytes sent to receivers again.", media.retransmitted.bytes)
    page.metric(
      "needletail_packet_cache_bytes", .gauge, "Memory of packets kept for receivers that miss some.",
      UInt64(clamping: fastPath.packetCache.memory))
    page.metric(
      "needletail_packet_cache_limit_bytes", .gauge, "Memory that packets kept may take.",
      UInt64(clamping: fastPath.packetCache.limit))
    page.metric(
      "needletail_packet_cache_shortened_total", .counter, "Times that a stream got less of it than a second takes.",
      fastPath.packetCache.shortened)
  }

  private func control(_ page: inout Exposition) {
    let counters = totals.counters
    page.metric(
      "needletail_nacks_total", .counter, "NACK messages by direction.",
      byDirection(counters.nacksReceived, counters.nacksSent))
    page.metric(
      "needletail_plis_total", .counter, "Picture loss indications by direction.",
      byDirection(counters.plisReceived, counters.plisSent))
    page.metric(
      "needletail_ice_failures_total", .counter,
      "Peers that ended for want of ICE checks or of a nomination, by reason.",
      byName("reason", counters.iceFailures, SFUCounters.allICEFailures))
    page.metric(
      "needletail_ice_refusals_total", .counter, "STUN requests answered with an error, by its code and reason.",
      byName("reason", counters.iceRefusals, SFUCounters.allICERefusals))
    page.metric(
      "needletail_dtls_handshakes_total", .counter, "DTLS handshakes by result.",
      byName("result", counters.dtlsHandshakes, SFUCounters.allDTLSHandshakes))
    page.metric(
      "needletail_datagrams_dropped_total", .counter, "Control datagrams refused, by reason.",
      byName("reason", counters.datagramsDropped))
  }

  private func times(_ page: inout Exposition) {
    page.histogram(
      "needletail_join_seconds", "From join to the first media packet sent.", bounds: SFUCounters.joinBounds,
      counts: totals.counters.joinSeconds, sum: totals.counters.joinSecondsSum)
    let turns = server.turns
    page.histogram(
      "needletail_loop_turn_seconds", "Time that one input kept the event loop.", bounds: TurnTimes.bounds,
      counts: turns.counts, sum: turns.sum.seconds)
    workerTimes(&page, "needletail_forward_seconds", "Time of a packet in the worker.", fastPath.forwardingTimes)
    workerTimes(
      &page, "needletail_repair_seconds", "From a receiver's NACK to the packet sent again.", fastPath.repairTimes)
  }

  private func workerTimes(_ page: inout Exposition, _ name: String, _ help: String, _ times: ForwardingTimes) {
    page.histogram(
      name, help, bounds: ForwardingTimes.bounds.map { Double($0) / 1e9 }, counts: times.counts,
      sum: Double(times.sumNanoseconds) / 1e9)
  }

  private func clients(_ page: inout Exposition) {
    page.metric(
      "needletail_connections", .gauge, "HTTP and WebSocket connections open.", UInt64(server.connections))
    page.metric(
      "needletail_connections_refused_total", .counter, "Connections refused, by the limit that they were beyond.",
      byName("limit", server.refusedConnections))
    page.metric(
      "needletail_connections_delayed_total", .counter, "Connections that waited because they came too fast.",
      server.delayedConnections)
    page.metric(
      "needletail_connection_pauses_total", .counter,
      "Times that a client was not read for a while, since it had more of the event loop than its share.",
      server.pauses)
    page.metric(
      "needletail_unfinished_bytes", .gauge, "Bytes of unfinished messages and bodies, beyond 16 KiB each.",
      UInt64(server.unfinishedBytes))
    page.metric(
      "needletail_unfinished_refused_total", .counter,
      "Messages and requests dropped because those that were unfinished were too large together.",
      server.unfinishedRefused)
  }

  private func logs(_ page: inout Exposition) {
    page.metric(
      "needletail_log_lines_dropped_total", .counter, "Lines that the log had no room for.", server.logLosses.dropped)
    page.metric(
      "needletail_log_lines_suppressed_total", .counter, "Lines left out because there were too many of their kind.",
      server.logLosses.suppressed)
  }

  private typealias Samples = [(labels: [(String, String)], value: UInt64)]

  private func byLane(_ counts: [Lane: Int]) -> Samples {
    Lane.allCases.map { lane in (labels: [("lane", lane.rawValue)], value: UInt64(counts[lane] ?? 0)) }
  }

  private func flows(_ count: KeyPath<MediaTotals.Count, UInt64>) -> Samples {
    [("in", fastPath.media.received), ("out", fastPath.media.sent)].flatMap { direction, lanes in
      Lane.allCases.map { lane in
        (labels: [("direction", direction), ("lane", lane.rawValue)], value: lanes[lane][keyPath: count])
      }
    }
  }

  private func byDirection(_ received: UInt64, _ sent: UInt64) -> Samples {
    [(labels: [("direction", "in")], value: received), (labels: [("direction", "out")], value: sent)]
  }

  /// A series that began with its first event would hide it from `increase()`: those that are `known` are there from the
  /// start.
  private func byName(_ label: String, _ counts: [String: UInt64], _ known: [String] = []) -> Samples {
    counts.merging(known.map { ($0, 0) }) { count, _ in count }.sorted { $0.key < $1.key }.map {
      (labels: [(label, $0.key)], value: $0.value)
    }
  }
}
