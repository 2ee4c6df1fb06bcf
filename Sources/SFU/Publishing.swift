import DTLS
import Forwarding
import RTP
import SDP
import Wire

/// Publish peers: the client's offer in, our answer out, tracks in between.
extension SFU {
  mutating func publish(
    _ sdp: String, _ labels: [String: TrackLabel], by id: ParticipantID, on connection: ConnectionID, now: Instant
  ) {
    guard participants[id]?.grants.canPublish == true else {
      return refuse(connection, .forbidden, "the token does not allow publishing", about: .publish)
    }
    do throws(SDPError) {
      let session = try negotiatePublish(SessionDescription.parse(sdp, limits: offerLimits), labels, by: id, now: now)
      commands.append(.message(connection, .answer(sdp: session.answer.serialized(), tracks: tracksByMID(of: id))))
      for (code, refused) in session.refusedByCode {
        refuse(connection, code, "sdp: \(refused.map(\.description).joined(separator: "; "))", about: .publish)
      }
    } catch {
      refuse(connection, error.isSyntax ? .badSDP : .unsupportedSDP, error.message, about: .publish)
    }
  }

  /// How much of an offer is read.
  var offerLimits: SDPLimits { .offer(tracks: capabilities.maximumTracks) }

  /// Answers a publish offer, the first or a later one, and brings the participant's tracks in line with it.
  ///
  /// `needsAll`: refuses it if it sends nothing, or if all the audio or all the video in it would be refused.
  mutating func negotiatePublish(
    _ offer: SessionDescription, _ labels: [String: TrackLabel], by id: ParticipantID,
    needsAll: Bool = false, now: Instant
  ) throws(SDPError) -> NegotiatedSession {
    let former = participants[id]?.publishPeer
    let existing = former.flatMap { isContinued($0, by: offer) ? $0 : nil }
    let previous = existing.flatMap { peers[$0]?.publication?.session }
    // Everything that can be refused is refused before anything changes.
    let accepted = try AcceptedOffer(offer, capabilities: capabilities, previous: previous)
    if needsAll { try accepted.checkKinds() }
    if let former, existing == nil { removePeer(former, now: now) }
    let peer = existing ?? makePeer(for: id, publication: Publication(), now: now)
    participants[id]?.publishPeer = peer
    if accepted.iceRestart, existing != nil { restartICE(of: peer) }
    // A publish peer is of WebRTC, so it has one.
    guard let local = peers[peer].flatMap(localDescription) else { throw .noOffer }
    let session = accepted.answered(by: local)
    peers[peer]?.publication?.session = session
    setRemote(session.remote, localSetup: session.localSetup, of: peer, now: now)
    updateTracks(of: peer, labels, now: now)
    return session
  }

  /// Another certificate means another DTLS association (RFC 8842 section 5.5): the client began a connection anew.
  private func isContinued(_ peer: TransportID, by offer: SessionDescription) -> Bool {
    guard let known = peers[peer]?.remote?.fingerprints else { return true }
    return (offer.fingerprints + offer.media.flatMap(\.fingerprints)).contains { known.contains($0) }
  }

  /// Tracks follow the accepted m-lines that send: new ones are announced, ended ones removed. One whose packets will mean
  /// something else is ended, and another begins: what its receivers agreed to does not hold any more.
  private mutating func updateTracks(of peer: TransportID, _ labels: [String: TrackLabel], now: Instant) {
    guard let session = peers[peer], let publication = session.publication, let negotiated = publication.session else {
      return
    }
    let sending = negotiated.media.filter(\.isSending)
    let mids = Set(sending.map(\.mid))
    for (mid, track) in publication.tracks where !mids.contains(mid) {
      removeTrack(track)
      peers[peer]?.publication?.tracks[mid] = nil
    }
    for media in sending {
      guard let old = publication.tracks[media.mid].flatMap({ tracks[$0] }) else {
        addTrack(media, labels[media.mid], of: session)
        continue
      }
      if goesOn(old, as: media) {
        if let label = labels[media.mid] { setLabel(label, of: old) }
        continue
      }
      removeTrack(old.id)
      addTrack(media, labels[media.mid] ?? old.label, mutes: old.mutes, of: session)
    }
    if session.isConnected {
      commands.append(.fastPath(.readExtensions(peer, readExtensions(of: session))))
      addNamedSources(of: peer, now: now)
    }
  }

  /// Whether every packet that `media` allows is one that the track's receivers were told of. Fewer codecs change nothing
  /// for them.
  private func goesOn(_ track: Track, as media: NegotiatedMedia) -> Bool {
    media.codecs.allSatisfy { new in
      track.codecs.contains {
        $0.payloadType == new.payloadType && $0.retransmissionPayloadType == new.retransmissionPayloadType
          && $0.matches(new)
      }
    }
      && capabilities.subscribeExtensions.allSatisfy { uri in
        media.extensions[uri].map { $0 == track.extensions[uri] } ?? true
      }
  }

  private mutating func addTrack(
    _ media: NegotiatedMedia, _ label: TrackLabel?, mutes: Mutes = [], of session: PeerSession
  ) {
    add(
      Track(
        id: Identifier.track(), participant: session.participant, peer: session.id, mid: media.mid,
        kind: media.kind == .audio ? .audio : .video, label: label, codecs: media.codecs, extensions: media.extensions,
        mutes: mutes))
  }

  /// Makes a track known to its room.
  mutating func add(_ track: Track) {
    markChanged(roomOf: track.participant)
    var track = track
    if participants[track.participant]?.mutedKinds.contains(track.kind) == true { track.mutes.insert(.operator) }
    tracks[track.id] = track
    peers[track.peer]?.publication?.tracks[track.mid] = track.id
    participants[track.participant]?.tracks.append(track.id)
    commands.append(
      log(
        .info, "track added",
        describe(track.peer).merging(
          ["track": track.id.rawValue, "kind": track.kind.rawValue, "codecs": track.codecNames.joined(separator: ",")])
        { $1 }))
    announce(.added, track)
  }

  private mutating func setLabel(_ label: TrackLabel, of track: Track) {
    guard track.label != label else { return }
    var track = track
    track.label = label
    tracks[track.id] = track
    announce(.added, track)
  }

  mutating func removeTrack(_ id: TrackID) {
    guard let track = tracks[id] else { return }
    markChanged(roomOf: track.participant)
    removeSources(of: id)
    if track.mutes.contains(.operator) { participants[track.participant]?.mutedKinds.insert(track.kind) }
    tracks[id] = nil
    participants[track.participant]?.tracks.removeAll { $0 == id }
    commands.append(log(.info, "track removed", describe(track.peer).merging(["track": id.rawValue]) { $1 }))
    announce(.removed, track)
  }

  func tracksByMID(of id: ParticipantID) -> [String: TrackInfo] {
    guard let peer = participants[id]?.publishPeer, let publication = peers[peer]?.publication else { return [:] }
    return publication.tracks.compactMapValues { tracks[$0]?.info }
  }

  /// What its owner or an operator wants: it is heard again when neither has it muted. `who`: whose wish that is, or
  /// whose mutes end.
  mutating func setMuted(_ muted: Bool, _ id: TrackID, by who: Mutes, now: Instant) {
    guard var track = tracks[id] else { return }
    let wasMuted = track.isMuted
    if muted { track.mutes.formUnion(who) } else { track.mutes.subtract(who) }
    tracks[id] = track
    guard track.isMuted != wasMuted else { return }
    for source in [track.source, track.retransmission].compactMap({ $0 }) {
      for sink in sources[source]?.sinks ?? [] { commands.append(.fastPath(.pauseSink(sink, muted))) }
    }
    if !muted, let source = track.source { requestKeyFrame(of: source, now: now) }
    announce(muted ? .muted : .unmuted, track, alsoToOwner: who.contains(.operator))
  }
}

extension AcceptedOffer {
  /// An encoder does not look at single m-lines: it takes success for all of it.
  fileprivate func checkKinds() throws(SDPError) {
    let lostKinds = refused.lostKinds(beside: media)
    let lost = refused.filter { lostKinds.contains($0.kind) }
    guard lost.isEmpty else { throw .refused(lost) }
    // RFC 9725 section 4.2: a WHIP offer sends. One that does not would be a publisher of nothing.
    guard media.contains(where: \.isSending) else { throw .nothingSent }
  }
}

extension NegotiatedSession {
  /// What a client is told of the m-lines that were refused beside others.
  fileprivate var refusedByCode: [(ErrorCode, [RefusedMedia])] {
    let surplus = refused.filter { if case .surplus = $0.reason { true } else { false } }
    let others = refused.filter { !surplus.contains($0) }
    return [(.limitExceeded, surplus), (.unsupportedSDP, others)].filter { !$0.1.isEmpty }
  }
}
