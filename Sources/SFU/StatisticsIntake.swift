import Forwarding
import Wire

/// The fast path's counters, once a second: rates, receiver reports, join times, what clients hear of their quality, who speaks.
extension SFU {
  mutating func received(_ statistics: FastPathStatistics, now: Instant) {
    let interval = fastPathStatistics.map { statistics.at.since($0.at) } ?? .seconds(1)
    for counters in statistics.sources { sources[counters.id]?.take(counters, over: interval, at: statistics.at) }
    for counters in statistics.sinks { take(counters, over: interval) }
    for counters in statistics.sinks { checkPlayability(of: counters.id) }
    fastPathStatistics = statistics
    for peer in Array(peers.keys) { sendReceiverReports(to: peer, now: now) }
    for participant in Array(participants.keys) { tellQuality(participant, now: now) }
    for room in Array(rooms.values) { followSpeakers(of: room) }
  }

  private mutating func take(_ counters: SinkStatistics, over interval: Interval) {
    guard var state = sinks[counters.id] else { return }
    state.previous = state.statistics
    state.statistics = counters
    state.interval = interval
    sinks[counters.id] = state
    guard let firstSent = counters.firstSent, let id = peers[state.sink.transport]?.participant,
      let participant = participants[id], !participant.hasReceivedMedia
    else { return }
    participants[id]?.hasReceivedMedia = true
    self.counters.observeJoin(seconds: firstSent.since(participant.joinedAt).seconds)
  }

  /// Loss and lane of what a participant sends and receives, when they changed.
  private mutating func tellQuality(_ id: ParticipantID, now: Instant) {
    guard let participant = participants[id], let connection = participant.connection else { return }
    var qualities: [TrackQuality] = []
    for track in participant.tracks.compactMap({ tracks[$0] }) {
      guard let state = track.source.flatMap({ sources[$0] }) else { continue }
      let loss = state.recentLoss(now: now)
      qualities.append(
        TrackQuality(
          track: track.id.rawValue, direction: "send", loss: (loss.beforeRepair ?? 0).rounded(toPlaces: 3),
          lossAfterRepair: loss.afterRepair?.rounded(toPlaces: 3), lane: state.statistics.lane.rawValue,
          laneReason: state.statistics.laneReason))
    }
    for subscription in participant.subscribePeer.flatMap({ peers[$0]?.subscriber?.subscriptions }) ?? [] {
      guard let state = subscription.sink.flatMap({ sinks[$0] }) else { continue }
      let loss = state.recentLoss(now: now)
      qualities.append(
        TrackQuality(
          track: subscription.track.rawValue, direction: "receive",
          loss: (loss.beforeRepair ?? 0).rounded(toPlaces: 3),
          lossAfterRepair: loss.afterRepair?.rounded(toPlaces: 3), lane: state.statistics.lane.rawValue,
          laneReason: state.statistics.laneReason))
    }
    let changed = qualities.filter { participant.toldQuality[$0.track] != $0 }
    guard !changed.isEmpty else { return }
    participants[id]?.toldQuality = Dictionary(qualities.map { ($0.track, $0) }) { first, _ in first }
    commands.append(.message(connection, .quality(changed)))
  }
}

extension SourceState {
  mutating func take(_ counters: SourceStatistics, over interval: Interval, at time: Instant) {
    previous = statistics
    statistics = counters
    self.interval = interval
    note(counters.payloadType)
    let before = previous.highestSequence &- previous.firstSequence
    let expected = UInt64(counters.highestSequence &- counters.firstSequence &- before)
    let received = counters.packets &- previous.packets
    loss =
      previous.packets > 0 && expected > received && expected > 0 ? Double(expected - received) / Double(expected) : 0
    if counters.packets > 0 { addLoss(counters, at: time) }
  }

  private mutating func addLoss(_ counters: SourceStatistics, at time: Instant) {
    let expected = counters.highestSequence &- counters.firstSequence &+ 1
    losses.add(
      highest: expected, lost: Int32(truncatingIfNeeded: UInt64(expected) &- counters.packets),
      repaired: UInt32(truncatingIfNeeded: counters.repaired), at: time)
  }

  /// Loss of the last ten seconds before repair and after it, 0 to 1; nil where nobody knows it. Nothing repairs
  /// retransmissions.
  func recentLoss(now: Instant) -> (beforeRepair: Double?, afterRepair: Double?) {
    let loss = losses.loss(now: now)
    return (loss?.beforeRepair, source.repairs == nil ? loss?.afterRepair : nil)
  }
}

extension SinkState {
  /// Whether it is known how many of the packets sent again reached the receiver.
  private var knowsRepaired: Bool { repaired != nil || statistics.retransmittedPackets == 0 }

  /// Loss of the last ten seconds before repair and after it, 0 to 1, each nil where nobody knows it. Nothing but
  /// retransmissions repairs a copy, and who takes none may get what a clear sender sends once more, which counts as it comes.
  func recentLoss(now: Instant) -> (beforeRepair: Double?, afterRepair: Double?) {
    let loss = losses.loss(now: now)
    return (loss?.beforeRepair, knowsRepaired ? loss?.afterRepair : nil)
  }
}

extension SFUCounters {
  mutating func observeJoin(seconds: Double) {
    let bucket = Self.joinBounds.firstIndex { seconds <= $0 } ?? Self.joinBounds.count
    joinSeconds[bucket] += 1
    joinSecondsSum += seconds
  }
}

extension Double {
  func rounded(toPlaces places: Int) -> Double {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return (self * scale).rounded() / scale
  }
}
