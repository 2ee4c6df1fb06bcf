import Forwarding
import RTP
import SDP
import Wire

/// Subscribe peers: which tracks each participant should receive, and the offers that say so. One offer is in flight at a
/// time; what changes meanwhile goes into the next.
extension SFU {
  /// The tracks in the participant's room changed.
  mutating func markChanged(roomOf id: ParticipantID) {
    if let room = participants[id]?.room { changedRooms.insert(room) }
  }

  /// Brings every subscriber of a changed room, and everyone whose wishes changed, in line with the tracks it should have:
  /// as many as a turn has time for. Who is left has its turn at the next ticks.
  mutating func updateSubscribers(now: Instant, isTick: Bool = false) {
    let hasNews = !changedParticipants.isEmpty || !changedRooms.isEmpty
    var published: [String: [Track]] = [:]
    var due = 0
    for id in changedParticipants { outdated.putFirst(id) }
    for name in changedRooms {
      let tracks = publishedTracks(in: name)
      published[name] = tracks
      let subscribers = rooms[name]?.participants ?? []
      for id in subscribers { outdated.put(id) }
      due += subscribers.count * (1 + tracks.count)
    }
    changedParticipants = []
    changedRooms = []
    guard hasNews || isTick else { return }
    var work = 0
    while work < Self.workOfTurn, let id = outdated.take() {
      guard let room = participants[id]?.room else { continue }
      let tracks = published[room] ?? publishedTracks(in: room)
      published[room] = tracks
      work += 1 + updateSubscriber(id, from: tracks, now: now)
    }
    if due > work, !outdated.isEmpty { commands.append(.leaves(lines: due - work)) }
  }

  /// Subscribers, and tracks in the offers to them. Each costs up to 0.1 ms.
  private static let workOfTurn = 80

  /// In order of joining, then of publication.
  private func publishedTracks(in room: String) -> [Track] {
    (rooms[room]?.participants ?? []).flatMap { participants[$0]?.tracks ?? [] }.compactMap { tracks[$0] }
  }

  /// Returns how many tracks are in the offer that it led to.
  private mutating func updateSubscriber(_ id: ParticipantID, from published: [Track], now: Instant) -> Int {
    guard let participant = participants[id] else { return 0 }
    if participant.doorway == .rtp {
      for peer in participant.clearPeers { updateClearSubscriber(peer, from: published, now: now) }
      return 0
    }
    if case .whep(let publisher) = participant.doorway {
      updateViewer(id, from: published.filter { $0.participant == publisher }, now: now)
      return 0
    }
    let wanted = wantedTracks(of: id, from: published)
    guard participant.subscribePeer != nil || !wanted.isEmpty else { return 0 }
    let peer = participant.subscribePeer ?? makeSubscribePeer(for: id, now: now)
    subscribe(peer, to: wanted) { track, subscriber in subscriber.subscription(to: track) }
    defer { reconcile(peer, now: now) }
    return sendOffer(to: peer, now: now)
  }

  /// Brings what the peer is subscribed to in line with the tracks it should have; `make` says how to a new one.
  mutating func subscribe(_ peer: TransportID, to wanted: [Track], make: (Track, inout Subscriber) -> Subscription) {
    guard var subscriber = peers[peer]?.subscriber, !subscriber.has(wanted) else { return }
    let sources = Dictionary(uniqueKeysWithValues: wanted.map { ($0.id, $0.source) })
    // Clear RTP has no keys under which an SSRC could come twice.
    let latest = subscriber.session == nil ? nil : subscriber.lastSSRC
    let ended = subscriber.subscriptions.filter { !$0.isStillGood(for: sources, latest: latest) }
    subscriber.subscriptions.removeAll { !$0.isStillGood(for: sources, latest: latest) }
    let present = Set(subscriber.subscriptions.map(\.track))
    let added = wanted.filter { !present.contains($0.id) }
    for track in added { subscriber.subscriptions.append(make(track, &subscriber)) }
    let places = Dictionary(uniqueKeysWithValues: wanted.enumerated().map { ($1.id, $0) })
    subscriber.subscriptions.sort { places[$0.track, default: 0] < places[$1.track, default: 0] }
    subscriber.isStale = subscriber.isStale || !ended.isEmpty || !added.isEmpty
    peers[peer]?.subscriber = subscriber
    for sink in ended.compactMap(\.sink) { removeSink(sink) }
  }

  /// A viewer cannot be offered anything, so it keeps what its answer gave it, SSRCs included: the worker lets their numbers go
  /// on. Where a track ended, the next of its kind by the same publisher takes its place. Without any, or with one in codecs
  /// that the viewer did not take, the viewer ends: its player begins anew, which it would not do for silence.
  private mutating func updateViewer(_ id: ParticipantID, from published: [Track], now: Instant) {
    guard let peer = participants[id]?.subscribePeer, var subscriber = peers[peer]?.subscriber else { return }
    let isOver =
      !subscriber.replaceEnded(by: published)
      || published.allSatisfy { subscriber[$0.id]?.accepted?.isRejected ?? true }
    guard !isOver else { return remove(id, reason: "what it plays is not published any more", now: now) }
    peers[peer]?.subscriber = subscriber
    reconcile(peer, now: now)
  }

  /// A WebSocket participant gets the tracks of all others that it wants.
  private func wantedTracks(of id: ParticipantID, from published: [Track]) -> [Track] {
    guard let participant = participants[id], participant.grants.canSubscribe else { return [] }
    guard participant.connection != nil else { return [] }
    return published.filter { $0.participant != id && participant.wanted?.contains($0.id) ?? true }
  }

  private mutating func makeSubscribePeer(for id: ParticipantID, now: Instant) -> TransportID {
    let subscriber = Subscriber(session: SubscribeSession(capabilities: capabilities))
    let peer = makePeer(for: id, subscriber: subscriber, now: now)
    participants[id]?.subscribePeer = peer
    return peer
  }

  /// Returns how many tracks are offered; 0 where no offer is due.
  private mutating func sendOffer(to peer: TransportID, now: Instant) -> Int {
    guard let session = peers[peer], var subscriber = session.subscriber, subscriber.isStale,
      subscriber.offer == .stable,
      var negotiation = subscriber.session, let connection = participants[session.participant]?.connection
    else { return 0 }
    if subscriber.wantsRestart { restartICE(of: peer) }
    guard let local = localDescription(of: session) else { return 0 }
    let offered = subscriber.subscriptions.compactMap { subscription in
      tracks[subscription.track].map { offer(of: $0, as: subscription) }
    }
    let formerlyLeftOut = negotiation.leftOut
    let sdp = negotiation.offer(tracks: offered, local: local)
    subscriber.session = negotiation
    subscriber.isStale = false
    subscriber.wantsRestart = false
    subscriber.offer = .awaitingAnswer
    peers[peer]?.subscriber = subscriber
    commands.append(.message(connection, .offer(sdp: sdp.serialized(), tracks: owners(subscriber, negotiation.mids))))
    let leftOut = negotiation.leftOut.subtracting(formerlyLeftOut)
    guard !leftOut.isEmpty else { return offered.count }
    refuse(
      connection, .limitExceeded,
      "tracks: no m-line or payload type is left to offer \(leftOut.sorted().joined(separator: ", ")); subscribe to fewer",
      about: .subscribe)
    return offered.count
  }

  /// Whose track is on each m-line, by mid.
  private func owners(_ subscriber: Subscriber, _ mids: [String: String]) -> [String: SubscribedTrack] {
    var owners: [String: SubscribedTrack] = [:]
    for subscription in subscriber.subscriptions {
      guard let mid = mids[subscription.track.rawValue] else { continue }
      owners[mid] = SubscribedTrack(participant: subscription.from.rawValue, track: subscription.track.rawValue)
    }
    return owners
  }

  func offer(of track: Track, as subscription: Subscription) -> OfferedTrack {
    OfferedTrack(
      trackID: track.id.rawValue, streamID: stream(of: track), kind: track.kind == .audio ? .audio : .video,
      codecs: track.codecs, extensions: track.extensions.keys.sorted(), ssrc: subscription.ssrc,
      retransmissionSSRC: subscription.retransmissionSSRC, cname: track.participant.rawValue,
      flowing: flowingPayloadType(of: track))
  }

  /// A MediaStream for each of the publisher's: receivers keep what is in one in sync, a camera with its microphone and a
  /// screen with its sound.
  private func stream(of track: Track) -> String {
    let media = peers[track.peer]?.publication?.session?.media.first { $0.mid == track.mid }
    guard let stream = media?.msid?.stream, stream != "-" else { return track.participant.rawValue }
    return "\(track.participant.rawValue)-\(stream)"
  }

  mutating func answered(_ sdp: String, by id: ParticipantID, on connection: ConnectionID, now: Instant) {
    guard let peer = participants[id]?.subscribePeer, var subscriber = peers[peer]?.subscriber,
      subscriber.offer == .awaitingAnswer, var negotiation = subscriber.session
    else { return refuse(connection, .outOfOrder, "sdp: no offer awaits an answer", about: .subscribe) }
    do throws(SDPError) {
      let accepted = try negotiation.accept(answer: SessionDescription.parse(sdp, limits: .subscribeAnswer))
      subscriber.session = negotiation
      subscriber.offer = .stable
      let outdated = subscriber.take(accepted)
      peers[peer]?.subscriber = subscriber
      for sink in outdated { withdrawSink(sink) }
      tellUnplayable(to: peer, now: now)
      // A client that has refused everything so far has no transport to speak of.
      if let remote = negotiation.remote {
        setRemote(remote, localSetup: negotiation.localSetup, of: peer, now: now)
      }
      reconcile(peer, now: now)
      changedParticipants.insert(id)
    } catch {
      refuse(connection, error.isSyntax ? .badSDP : .unsupportedSDP, error.message, about: .subscribe)
    }
  }
}

extension Subscriber {
  /// A subscription to `track`, under SSRCs of its own and with random offsets (RFC 3550 section 5.1).
  mutating func subscription(to track: Track) -> Subscription {
    // Of audio only where the publisher offers the same: few clients know retransmissions of it.
    let hasRetransmission = track.kind == .video || track.codecs.contains { $0.retransmissionPayloadType != nil }
    return Subscription(
      track: track.id, from: track.participant, kind: track.kind, source: track.source, ssrc: takeSSRC(),
      retransmissionSSRC: hasRetransmission ? takeSSRC() : nil, sequenceOffset: .random(in: 0...UInt16.max),
      timestampOffset: .random(in: 0...UInt32.max))
  }
}

extension Subscriber {
  /// Gives the places of tracks that are not among `published` any more to others of their kind, where there are any; false
  /// if one is in codecs that were not taken.
  fileprivate mutating func replaceEnded(by published: [Track]) -> Bool {
    let present = Set(published.map(\.id))
    var free = published.filter { self[$0.id] == nil }
    subscriptions.removeAll { $0.accepted?.isRejected == true && !present.contains($0.track) }
    for index in subscriptions.indices where !present.contains(subscriptions[index].track) {
      let ended = subscriptions[index]
      guard free.contains(where: { $0.kind == ended.kind }) else { continue }
      guard let next = free.firstIndex(where: ended.fits) else { return false }
      subscriptions[index].replace(by: free.remove(at: next))
    }
    return true
  }

  /// Whether it is subscribed to exactly these tracks, each as it comes now: most of a room is, whatever changes there.
  fileprivate func has(_ wanted: [Track]) -> Bool {
    subscriptions.count == wanted.count
      && zip(subscriptions, wanted).allSatisfy { $0.track == $1.id && $0.source == $1.source }
  }
}

extension Subscription {
  /// Whether a track can be sent as this one was: whether the receiver took the codec that comes first, which is the one that
  /// publishers send.
  fileprivate func fits(_ track: Track) -> Bool {
    guard track.kind == kind, let accepted, let codec = track.mainCodec else { return false }
    return payloadTypeMap(from: track.codecs, to: accepted.codecs)[codec.payloadType] != nil
  }

  fileprivate mutating func replace(by next: Track) {
    track = next.id
    accepted?.trackID = next.id.rawValue
    source = nil
  }

  /// How many later SSRCs one may have seen before its first copy. The fast path forgets the oldest that it has sent under,
  /// and then takes none as old as those (`ForwardingLimits.sentSSRCsPerTransport`).
  private static let longestWait = UInt32(ForwardingLimits().sentSSRCsPerTransport / 2)

  /// Whether its track is still wanted and comes from the source its SSRC was chosen for, or from its first not too long
  /// after that. `latest`: the SSRC taken last.
  fileprivate func isStillGood(for sources: [TrackID: SourceID?], latest: UInt32?) -> Bool {
    guard let current = sources[track] else { return false }
    if sink == nil, current != nil, let latest, latest &- ssrc > Self.longestWait { return false }
    return source == nil || current == nil || source == current
  }
}

extension Subscriber {
  /// Notes what the answer took of each subscription. Returns the copies that are not as it takes them now.
  @discardableResult mutating func take(_ accepted: [SubscribedMedia]) -> [SinkID] {
    let byTrack = Dictionary(accepted.map { ($0.trackID, $0) }) { first, _ in first }
    var outdated: [SinkID] = []
    for index in subscriptions.indices {
      let subscription = subscriptions[index]
      guard let media = byTrack[subscription.track.rawValue], media != subscription.accepted else { continue }
      subscriptions[index].accepted = media
      outdated += [subscription.sink].compactMap { $0 }
    }
    return outdated
  }
}
