import Forwarding
import Peer
import RTP
import Wire

/// RTCP both ways: what publishers say goes on to their receivers, what receivers ask goes back to the publishers.
extension SFU {
  mutating func received(_ packets: [RTCPPacket], from peer: TransportID, at now: Instant) {
    peers[peer]?.subscriber?.refresh?.receivedRTCP(now: now)
    for packet in packets {
      switch packet {
      case .senderReport(let report):
        forward(report, from: peer, at: now)
        note(report.blocks, from: peer, at: now)
      case .receiverReport(let report): note(report.blocks, from: peer, at: now)
      case .bye(let bye): ended(bye, from: peer)
      case .nack(let nack):
        counters.nacksReceived += 1
        guard let sink = sink(nack.mediaSSRC, of: peer) else { continue }
        sinks[sink]?.nacksReceived += 1
        commands.append(.fastPath(.retransmit(sink, nack.lost, askedAt: now)))
      case .pli(let pli): keyFrameRequested(pli.mediaSSRC, by: peer, now: now)
      case .fir(let fir): for entry in fir.entries { keyFrameRequested(entry.ssrc, by: peer, now: now) }
      default: break
      }
    }
  }

  /// Protects and sends; before the peer is connected nothing can be sent and nothing is.
  mutating func send(_ packets: [RTCPPacket], to peer: TransportID) {
    guard case .send(let bytes, let tuple)? = peers[peer]?.connection.send(rtcp: packets) else { return }
    commands.append(.send(bytes, tuple))
    captureControl(packets, sentAs: bytes, to: peer, on: tuple)
  }

  // MARK: From publishers

  /// Browsers report once a second or less. Each report becomes one for every receiver, so what comes sooner is left out.
  private static let reportSpacing = Interval.milliseconds(200)

  /// Each receiver gets the publisher's report under its own SSRC, timestamp and counts, with the publisher's clock, so that
  /// audio and video of one participant stay in sync (RFC 3550 section 6.4.1).
  private mutating func forward(_ report: SenderReport, from peer: TransportID, at now: Instant) {
    guard let id = source(report.ssrc, of: peer), var state = sources[id] else { return }
    if let last = state.lastSenderReport, now.since(last.at) < Self.reportSpacing { return }
    state.lastSenderReport = (report.ntp.compact, now)
    sources[id] = state
    guard let track = tracks[state.track], !track.isMuted else { return }
    for sink in state.sinks {
      guard let copy = sinks[sink] else { continue }
      let rewritten = SenderReport(
        ssrc: copy.sink.ssrc, ntp: report.ntp, rtpTimestamp: report.rtpTimestamp &+ copy.sink.timestampOffset,
        packetCount: UInt32(truncatingIfNeeded: copy.statistics.packets),
        octetCount: UInt32(truncatingIfNeeded: copy.statistics.payloadOctets), blocks: [])
      sinks[sink]?.lastSenderReport = (report.ntp.compact, now)
      send(
        [.senderReport(rewritten), .sdes(SDES(ssrc: copy.sink.ssrc, cname: track.participant.rawValue))],
        to: copy.sink.transport)
    }
  }

  private mutating func ended(_ bye: BYE, from peer: TransportID) {
    for source in bye.ssrcs.compactMap({ source($0, of: peer) }) { removeSource(source) }
  }

  /// Receiver reports to a publisher, once a second, from the worker's counters: real loss, jitter and DLSR.
  mutating func sendReceiverReports(to peer: TransportID, now: Instant) {
    guard let publication = peers[peer]?.publication else { return }
    var blocks: [ReportBlock] = []
    for track in publication.tracks.values.compactMap({ tracks[$0] }) {
      for id in [track.source, track.retransmission].compactMap({ $0 }) {
        guard var state = sources[id], state.statistics.packets > 0 else { continue }
        blocks.append(state.reportBlock(now: now))
        sources[id] = state
      }
    }
    for start in stride(from: 0, to: blocks.count, by: ReportBlock.maximumCount) {
      let report = ReceiverReport(
        ssrc: Self.localSSRC, blocks: Array(blocks[start..<min(start + ReportBlock.maximumCount, blocks.count)]))
      send([.receiverReport(report), .sdes(SDES(ssrc: Self.localSSRC, cname: Self.localCNAME))], to: peer)
    }
  }

  /// Feedback on which the browser's bandwidth estimate rests (draft-holmer-rmcat-transport-wide-cc-extensions-01).
  mutating func reportArrivals(_ arrivals: [TransportWideArrival], on peer: TransportID) {
    guard let session = peers[peer], var publication = session.publication else { return }
    for arrival in arrivals { publication.feedback.record(arrival.sequence, at: arrival.at) }
    let mediaSSRC = publication.tracks.values.compactMap { tracks[$0]?.source }.first.flatMap {
      sources[$0]?.source.ssrc
    }
    let feedback = publication.feedback.build(senderSSRC: Self.localSSRC, mediaSSRC: mediaSSRC ?? 0)
    peers[peer]?.publication = publication
    for packet in feedback { send([.transportFeedback(packet)], to: peer) }
  }

  // MARK: From receivers

  /// A receiver's view of our copies, for people to see; the round trip by LSR and DLSR.
  private mutating func note(_ reports: [ReportBlock], from peer: TransportID, at now: Instant) {
    // What was sent again first: it belongs to the losses reported with it.
    for report in reports {
      if let id = peers[peer]?.subscriber?.sinkByRetransmissionSSRC[report.ssrc] { sinks[id]?.noteRepaired(report) }
    }
    for report in reports {
      guard let id = sink(report.ssrc, of: peer) else { continue }
      sinks[id]?.note(report, at: now)
      if let roundTrip = sinks[id]?.roundTrip { measured(roundTrip, to: peer, now: now) }
    }
  }

  /// The worker waits that long before it sends a packet again, so it is told of what matters for that.
  private mutating func measured(_ roundTrip: Interval, to peer: TransportID, now: Instant) {
    guard let session = peers[peer] else { return }
    let before = session.roundTrip.value
    session.roundTrip.measured(roundTrip, now: now)
    guard let value = session.roundTrip.value, value != before else { return }
    commands.append(.fastPath(.roundTrip(peer, value)))
  }

  private mutating func keyFrameRequested(_ ssrc: UInt32, by peer: TransportID, now: Instant) {
    counters.plisReceived += 1
    guard let sink = sink(ssrc, of: peer), let source = sinks[sink]?.sink.source else { return }
    sinks[sink]?.keyFrameRequestsReceived += 1
    requestKeyFrame(of: source, now: now)
  }

  /// Asks the publisher for a key frame, at once or merged with requests of the last 500 ms.
  mutating func requestKeyFrame(of id: SourceID, now: Instant) {
    guard var state = sources[id], state.source.kind == .video, state.source.repairs == nil else { return }
    let decision = state.keyFrames.requested(now: now)
    sources[id] = state
    if decision == .send { sendPLI(to: id) }
  }

  mutating func sendPLI(to id: SourceID) {
    guard let source = sources[id]?.source else { return }
    counters.plisSent += 1
    sources[id]?.keyFrameRequestsSent += 1
    send([.pli(PLI(senderSSRC: Self.localSSRC, mediaSSRC: source.ssrc))], to: source.transport)
  }

  /// What did not come is asked of the publisher. The worker knows when; of a sender of clear RTP it only knows that receivers
  /// ask, each for itself.
  mutating func requestRetransmission(of sequences: [UInt16], from id: SourceID, now: Instant) {
    guard var state = sources[id], let session = peers[state.source.transport] else { return }
    let due = session.connection.isClear ? state.nacks.admit(sequences, now: now) : sequences
    if !due.isEmpty { state.nacksSent += 1 }
    sources[id] = state
    guard !due.isEmpty else { return }
    counters.nacksSent += 1
    send([.nack(NACK(senderSSRC: Self.localSSRC, mediaSSRC: state.source.ssrc, lost: due))], to: state.source.transport)
  }

  private func sink(_ ssrc: UInt32, of peer: TransportID) -> SinkID? { peers[peer]?.subscriber?.sinkBySSRC[ssrc] }

  /// The SSRC of our own RTCP. We send no media under it.
  static let localSSRC: UInt32 = 1
  static let localCNAME = "needletail"
}

extension SinkState {
  /// What the receiver says of the copies.
  fileprivate mutating func note(_ report: ReportBlock, at now: Instant) {
    reported = report
    losses.add(report, repaired: repaired ?? 0, at: now)
    guard let sent = lastSenderReport, sent.ntp == report.lastSenderReport, report.lastSenderReport != 0 else { return }
    let held = Interval(compactNTP: report.delaySinceLastSenderReport)
    let elapsed = now.since(sent.at)
    roundTrip = elapsed > held ? Interval(nanoseconds: elapsed.nanoseconds - held.nanoseconds) : .zero
  }

  /// What it says of the packets that it was sent again.
  fileprivate mutating func noteRepaired(_ report: ReportBlock) {
    let sent = report.highestSequence &- UInt32(sink.firstRetransmission) &+ 1
    repaired = sent &- UInt32(bitPattern: report.cumulativeLost)
  }
}

extension SourceState {
  /// The report block on this source; the next one covers the time from now.
  mutating func reportBlock(now: Instant) -> ReportBlock {
    let report = ReceptionReport(
      first: statistics.firstSequence, highest: statistics.highestSequence, received: statistics.packets,
      previous: lastReception)
    lastReception = report
    return report.block(
      ssrc: source.ssrc, jitter: statistics.jitter, lastSenderReport: lastSenderReport?.ntp ?? 0,
      delaySinceLastSenderReport: lastSenderReport.map { now.since($0.at).compactNTP } ?? 0)
  }
}
