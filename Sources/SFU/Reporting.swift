import Forwarding
import Peer
import Wire

/// The state of everything, as values.
extension SFU {
  public func report(now: Instant) -> Report {
    var report = Report()
    report.draining = isDraining
    report.counters = counters
    report.rooms = rooms.values.sorted { $0.name < $1.name }.map { room in
      RoomReport(
        name: room.name,
        participants: room.participants.compactMap { participants[$0] }.map { self.report($0, now: now) })
    }
    return report
  }

  private func report(_ participant: Participant, now: Instant) -> ParticipantReport {
    ParticipantReport(
      id: participant.id.rawValue, name: participant.name, via: participant.doorway.name,
      joinedSecondsAgo: now.since(participant.joinedAt).seconds,
      peers: participant.peers.compactMap { peers[$0] }.flatMap { report($0, now: now) },
      rtp: participant.setup.map(report))
  }

  /// One of each role that the session has.
  private func report(_ session: PeerSession, now: Instant) -> [PeerReport] {
    var report = PeerReport(
      id: "\(session.id.rawValue)", role: session.role, state: session.connection.state,
      remote: session.tuple.map { "\($0.remote)" }, local: session.tuple.map { "\($0.local)" },
      srtpProfile: session.profile,
      sources: [], sinks: [])
    var reports: [PeerReport] = []
    if session.publication != nil {
      report.sources =
        session.connection.isClear
        ? clearSources(of: session, now: now) : sourceIDs(of: session).compactMap { self.report($0, now: now) }
      reports.append(report)
    }
    if session.subscriber != nil {
      report.role = .subscribe
      report.sources = []
      report.sinks = sinkIDs(of: session).compactMap { self.report($0, now: now) } + unplayable(on: session)
      reports.append(report)
    }
    return reports
  }

  private func report(_ setup: RTPParticipant) -> RTPReport {
    let formats = setup.formats.map { format in
      let remote = setup.remote(of: format.kind)
      return RTPReport.Format(
        codec: format.codec, kind: format.kind.rawValue, payloadType: format.payloadType, clockRate: format.clockRate,
        channels: format.channels, fmtp: format.fmtp, ssrc: format.ssrc, remote: remote.map { "\($0)" } ?? "",
        rtcp: remote.flatMap { setup.rtcp.address(for: $0) }.map { "\($0)" } ?? "")
    }
    return RTPReport(direction: setup.direction.rawValue, from: setup.from, formats: formats)
  }

  /// A clear sender's streams. One that sends nothing shows as such: nobody else would say that it is set up wrongly.
  private func clearSources(of session: PeerSession, now: Instant) -> [SourceReport] {
    let tracks = (session.publication?.tracks.values.compactMap { self.tracks[$0] } ?? []).sorted { $0.mid < $1.mid }
    return tracks.map { track in
      var report = track.source.flatMap { self.report($0, now: now) } ?? .awaited(track, codec(of: track))
      if track.source == nil, let joinedAt = participants[track.participant]?.joinedAt {
        report.silentSeconds = silence(since: joinedAt, now: now)
      }
      let remote = session.tuple.map { "\($0.remote)" } ?? ""
      if report.packets == 0 {
        report.laneReason = "nothing received from \(remote) yet"
      } else if let silent = report.silentSeconds {
        report.laneReason = "nothing received from \(remote) for \(Int(silent)) s"
      }
      return report
    }
  }

  /// Seconds without a packet after which a stream is called silent.
  private static let tolerableSilence = 5.0

  /// Whether nothing need come of it: clients send nothing of what is muted; clear senders do not know.
  private func mayRest(_ track: Track) -> Bool { track.isMuted && peers[track.peer]?.connection.isClear != true }

  /// Seconds since then, if that is long without a packet.
  private func silence(since time: Instant, now: Instant) -> Double? {
    let seconds = now.since(time).seconds
    return seconds >= Self.tolerableSilence ? seconds : nil
  }

  private func sourceIDs(of session: PeerSession) -> [SourceID] {
    (session.publication?.tracks.values.compactMap { tracks[$0] } ?? [])
      .flatMap { [$0.source, $0.retransmission] }.compactMap { $0 }.sorted { $0.rawValue < $1.rawValue }
  }

  private func sinkIDs(of session: PeerSession) -> [SinkID] {
    (session.subscriber?.subscriptions ?? []).compactMap(\.sink)
  }

  private func report(_ id: SourceID, now time: Instant) -> SourceReport? {
    guard let state = sources[id], let track = tracks[state.track] else { return nil }
    let now = state.statistics
    let isRetransmission = state.source.repairs != nil
    let loss = state.recentLoss(now: time)
    return SourceReport(
      id: id.rawValue, track: track.id.rawValue, kind: track.kind.rawValue, label: track.label?.rawValue,
      codec: codec(of: track), ssrc: state.source.ssrc, isRetransmission: isRetransmission,
      muted: track.isMuted,
      packets: now.packets, bytes: now.bytes, bitsPerSecond: rate(now.bytes, state.previous.bytes, state.interval),
      loss: state.loss, lossBeforeRepair: loss.beforeRepair, lossAfterRepair: loss.afterRepair,
      jitterMilliseconds: isRetransmission
        ? nil : Double(now.jitter) * 1000 / Double(max(1, state.source.clockRate)),
      roundTripMilliseconds: now.roundTrip.map { $0.seconds * 1000 },
      packetsMissing: now.missing, packetsRequested: now.requested, packetsRepaired: now.repaired,
      packetsGivenUp: now.unrepaired,
      repairMilliseconds: milliseconds(now.repairNanoseconds, of: now.repaired),
      nacksSent: state.nacksSent, keyFrameRequests: state.keyFrameRequestsSent,
      silentSeconds: isRetransmission || mayRest(track)
        ? nil : silence(since: max(state.addedAt, now.lastArrival), now: time),
      authenticationFailures: now.authenticationFailures, replays: now.replays, packetsOnKernel: now.packetsOnKernel,
      packetsOnXSK: now.packetsOnXSK,
      packetsOnSocket: now.packetsOnSocket, lane: now.lane.rawValue, laneReason: now.laneReason)
  }

  private func report(_ id: SinkID, now time: Instant) -> SinkReport? {
    guard let state = sinks[id], let track = tracks[state.track] else { return nil }
    let now = state.statistics
    let loss = state.recentLoss(now: time)
    let clockRate = sources[state.sink.source]?.source.clockRate ?? 90_000
    return SinkReport(
      id: id.rawValue, source: state.sink.source.rawValue, track: track.id.rawValue, from: track.participant.rawValue,
      kind: track.kind.rawValue, codec: codec(of: track), ssrc: state.sink.ssrc,
      packets: now.packets, bytes: now.bytes, bitsPerSecond: rate(now.bytes, state.previous.bytes, state.interval),
      dropped: now.dropped, reportedLoss: Double(state.reported?.fractionLost ?? 0) / 256,
      lossBeforeRepair: loss.beforeRepair, lossAfterRepair: loss.afterRepair,
      reportedJitterMilliseconds: Double(state.reported?.jitter ?? 0) * 1000 / Double(max(1, clockRate)),
      roundTripMilliseconds: state.roundTrip.map { $0.seconds * 1000 },
      packetsNacked: RepairOutcome.allCases.reduce(0) { $0 + now.repairs[$1] },
      packetsRetransmitted: now.retransmittedPackets, bytesRetransmitted: now.retransmittedBytes,
      repairMilliseconds: milliseconds(now.repairNanoseconds, of: now.retransmittedPackets),
      nacksReceived: state.nacksReceived, keyFrameRequests: state.keyFrameRequestsReceived,
      repairsDenied: denied(now.repairs), packetsOnKernel: now.packetsOnKernel,
      packetsOnXSK: now.packetsOnXSK,
      packetsOnSocket: now.packetsOnSocket, lane: now.lane.rawValue, laneReason: laneReason(of: state))
  }

  /// What the receiver has no codec for, and therefore no copy of.
  private func unplayable(on session: PeerSession) -> [SinkReport] {
    (session.subscriber?.subscriptions ?? []).filter { $0.isUnplayable && $0.sink == nil }.compactMap { subscription in
      tracks[subscription.track].map { track in
        SinkReport(
          id: 0, source: track.source?.rawValue ?? 0, track: track.id.rawValue, from: track.participant.rawValue,
          kind: track.kind.rawValue, codec: codec(of: track), ssrc: subscription.ssrc,
          packets: 0, bytes: 0, bitsPerSecond: 0, dropped: 0, reportedLoss: 0, reportedJitterMilliseconds: 0,
          packetsNacked: 0, packetsRetransmitted: 0, bytesRetransmitted: 0, nacksReceived: 0,
          keyFrameRequests: 0, repairsDenied: [:], packetsOnKernel: 0, packetsOnXSK: 0, packetsOnSocket: 0,
          lane: Lane.socket.rawValue,
          laneReason: reasonUnplayable(track, subscription))
      }
    }
  }

  /// Why a copy has the lane it has, or, more important, why nothing goes there.
  private func laneReason(of state: SinkState) -> String {
    let subscription = peers[state.sink.transport]?.subscriber?.subscriptions.first { $0.sink == state.sink.id }
    guard let subscription, subscription.isUnplayable, let track = tracks[state.track] else {
      return state.statistics.laneReason
    }
    return reasonUnplayable(track, subscription)
  }

  private func denied(_ counts: RepairCounts) -> [String: UInt64] {
    var denied: [String: UInt64] = [:]
    for outcome in RepairOutcome.allCases where outcome != .repaired && counts[outcome] > 0 {
      denied[outcome.rawValue] = counts[outcome]
    }
    return denied
  }

  /// The mean of what took so many nanoseconds together; nil of none.
  private func milliseconds(_ nanoseconds: UInt64, of count: UInt64) -> Double? {
    count > 0 ? Double(nanoseconds) / Double(count) / 1e6 : nil
  }

  private func codec(of track: Track) -> String { track.codecNames.first ?? "" }

  private func rate(_ bytes: UInt64, _ before: UInt64, _ interval: Interval) -> Double {
    guard bytes > before, interval > .zero else { return 0 }
    return Double((bytes - before) &* 8) / interval.seconds
  }
}

extension SourceReport {
  /// A stream whose SSRC is not known before its first packet.
  fileprivate static func awaited(_ track: Track, _ codec: String) -> SourceReport {
    SourceReport(
      id: 0, track: track.id.rawValue, kind: track.kind.rawValue, label: nil, codec: codec, ssrc: 0,
      isRetransmission: false,
      muted: track.isMuted, packets: 0, bytes: 0, bitsPerSecond: 0, loss: 0, packetsMissing: 0, packetsRequested: 0,
      packetsRepaired: 0, packetsGivenUp: 0, nacksSent: 0, keyFrameRequests: 0,
      authenticationFailures: 0, replays: 0, packetsOnKernel: 0, packetsOnXSK: 0, packetsOnSocket: 0,
      lane: Lane.socket.rawValue,
      laneReason: "")
  }
}
