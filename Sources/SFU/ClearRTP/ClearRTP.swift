import Forwarding
import RTP
import SDP
import Wire

/// Participants by clear RTP: an operator sets them up, and from then on they are in their room like anyone else. Nothing
/// is negotiated, so their routes exist from the start.
extension SFU {
  mutating func addRTP(_ setup: RTPParticipant, now: Instant) -> AdminOutcome {
    do throws(RTPParticipantError) {
      try checkName(setup)
      let media = try connections(of: setup)
      let id = try admit(setup, now: now)
      for (connection, formats) in media { addSession(of: id, setup, connection, formats, now: now) }
      changedParticipants.insert(id)
      return .done
    } catch {
      return .refused(error)
    }
  }

  mutating func removeRTP(_ name: String, in room: String, now: Instant) -> AdminOutcome {
    guard let id = rtpParticipant(name, in: room)?.id else { return noRTP(name, in: room) }
    remove(id, reason: "removed by an operator", now: now)
    return .done
  }

  /// The SDP that tells the receiver's program what it gets.
  func describeRTP(_ name: String, in room: String) -> AdminOutcome {
    guard let participant = rtpParticipant(name, in: room), let setup = participant.setup else {
      return noRTP(name, in: room)
    }
    guard setup.direction.receives else {
      return .refused(RTPParticipantError(.direction, "\(name) only sends, so there is nothing for it to open"))
    }
    let sessions = participant.clearPeers.compactMap { peers[$0] }
    return .described(ReceiverDescription(setup: setup, sessions: sessions).text)
  }

  private func rtpParticipant(_ name: String, in room: String) -> Participant? {
    (rooms[room]?.participants ?? []).lazy.compactMap { participants[$0] }
      .first { $0.doorway == .rtp && ($0.name == name || $0.id.rawValue == name) }
  }

  private func noRTP(_ name: String, in room: String) -> AdminOutcome {
    .notFound("there is no clear-RTP participant \(name) in room \(room)")
  }

  // MARK: Setting up

  private func checkName(_ setup: RTPParticipant) throws(RTPParticipantError) {
    let present = (rooms[setup.room]?.participants ?? []).compactMap { participants[$0] }
    if present.contains(where: { $0.isVisible && $0.name == setup.name }) {
      throw RTPParticipantError(.name, "there is a participant \(setup.name) in room \(setup.room)", reason: .conflict)
    }
    let tracks = setup.formats.count(where: \.carriesMedia)
    guard !setup.direction.sends || tracks <= configuration.maximumTracksPerParticipant else {
      throw RTPParticipantError(
        .codecs, "a participant may send \(configuration.maximumTracksPerParticipant) tracks on this server",
        reason: .refused)
    }
  }

  private mutating func admit(_ setup: RTPParticipant, now: Instant) throws(RTPParticipantError) -> ParticipantID {
    let grants = Grants(canPublish: setup.direction.sends, canSubscribe: setup.direction.receives)
    do throws(Refusal) {
      let id = try admit(name: setup.name, room: setup.room, doorway: .rtp, grants: grants, now: now)
      participants[id]?.setup = setup
      // How long it waits for media says nothing about joining.
      participants[id]?.hasReceivedMedia = true
      return id
    } catch {
      guard case .refused(_, let message) = error else { throw RTPParticipantError(.room, "", reason: .refused) }
      throw RTPParticipantError(.room, message, reason: .refused)
    }
  }

  private mutating func addSession(
    of participant: ParticipantID, _ setup: RTPParticipant, _ connection: ClearConnection, _ formats: [RTPFormat],
    now: Instant
  ) {
    let id = TransportID(rawValue: sequencer.next())
    let session = PeerSession(
      id: id, participant: participant, connection: .clear(connection), tuple: connection.media,
      publication: setup.direction.sends ? Publication() : nil,
      subscriber: setup.direction.receives ? setup.subscriber(taking: formats, now: now) : nil)
    peers[id] = session
    if setup.direction.receives { clearReceivers.insert(id) }
    participants[participant]?.clearPeers.append(id)
    for tuple in connection.tuples { finder.move(id, from: nil, to: tuple) }
    commands.append(.fastPath(.addTransport(transport(of: session, connection.media, .clear))))
    guard setup.direction.sends else { return }
    let beside = formats.filter { !$0.carriesMedia }
    for (index, format) in formats.filter(\.carriesMedia).enumerated() {
      addTrack(format, beside: format.kind == .audio ? beside : [], index, of: id, participant, now: now)
    }
  }

  private mutating func addTrack(
    _ format: RTPFormat, beside others: [RTPFormat], _ index: Int, of peer: TransportID, _ participant: ParticipantID,
    now: Instant
  ) {
    let track = Track(
      id: Identifier.track(), participant: participant, peer: peer, mid: "\(index)", kind: format.kind,
      codecs: [format.sent] + others.map(\.sent), extensions: [:], fixedSSRC: format.ssrc)
    add(track)
    if let ssrc = format.ssrc { addSource(ssrc, isRetransmission: false, of: track.id, now: now) }
  }

  /// Outside DTLS nobody says that a connection ends; its streams can (RFC 3550 section 6.6).
  mutating func sayGoodbye(to session: PeerSession) {
    let ssrcs = (session.subscriber?.sinkBySSRC.keys).map(Array.init) ?? []
    for start in stride(from: 0, to: ssrcs.count, by: 31) {
      send([.bye(BYE(ssrcs: Array(ssrcs[start..<min(start + 31, ssrcs.count)])))], to: session.id)
    }
  }

  // MARK: Addresses

  private func connections(
    of setup: RTPParticipant
  ) throws(RTPParticipantError) -> [(ClearConnection, [RTPFormat])] {
    guard let port = configuration.candidates.first?.port else {
      throw RTPParticipantError(.remote, "this server has no address for media", reason: .refused)
    }
    if let asked = setup.localPort, asked != port {
      throw RTPParticipantError(
        .localPort, "\(asked) is not this server's media port, which is \(port)", reason: .refused)
    }
    var connections: [(ClearConnection, [RTPFormat])] = []
    for (remote, formats) in setup.media {
      let local = SocketAddress(try localAddress(towards: remote.ip, setup), port)
      let media = FiveTuple(local: local, remote: remote)
      let control = FiveTuple(local: local, remote: setup.rtcp.address(for: remote) ?? remote)
      let connection = ClearConnection(media: media, control: control)
      for tuple in connection.tuples { try checkIsFree(tuple) }
      connections.append((connection, formats))
    }
    return connections
  }

  private func checkIsFree(_ tuple: FiveTuple) throws(RTPParticipantError) {
    guard let owner = finder.owner(of: tuple).flatMap({ peers[$0] }), let participant = participants[owner.participant]
    else {
      return
    }
    throw RTPParticipantError(
      .remote, "\(tuple.remote) is \(participant.name)'s in room \(participant.room) already", reason: .conflict)
  }

  /// The address that was given, or that the host sends from. Where it has no route yet, the candidate nearest to `remote`: a host
  /// mostly sends from the address it shares most of the network with.
  private func localAddress(
    towards remote: IPAddress, _ setup: RTPParticipant
  ) throws(RTPParticipantError) -> IPAddress {
    if let given = setup.localAddress {
      guard given.isV6 == remote.isV6 else {
        throw RTPParticipantError(.localAddress, "\(given) is of another family than \(remote)")
      }
      return given
    }
    if let source = setup.sourceAddresses[remote], source.isV6 == remote.isV6 { return source }
    if remote.isLoopback { return remote.isV6 ? .v6(0, 1) : .v4(0x7f00_0001) }
    let candidates = configuration.candidates.map(\.ip).filter { $0.isV6 == remote.isV6 }
    guard let nearest = candidates.max(by: { $0.sharedBits(remote) < $1.sharedBits(remote) }) else {
      throw RTPParticipantError(
        .remote, "\(remote) is IPv\(remote.isV6 ? 6 : 4), and this server has no such address; see public-addresses",
        reason: .refused)
    }
    let best = nearest.sharedBits(remote)
    return candidates.first { $0.sharedBits(remote) == best } ?? nearest
  }

  // MARK: Receiving

  /// A clear-RTP receiver gets every track that is published in a codec it takes, or those of the one it asked for.
  mutating func updateClearSubscriber(_ peer: TransportID, from published: [Track], now: Instant) {
    guard let session = peers[peer], let subscriber = session.subscriber,
      let participant = participants[session.participant]
    else { return }
    let wanted = published.filter { track in
      track.participant != participant.id && subscriber.taken(of: track).contains(where: \.carriesMedia)
        && (participant.setup?.from.map { $0 == participants[track.participant]?.name } ?? true)
    }
    subscribe(peer, to: wanted) { track, subscriber in subscriber.clearSubscription(to: track) }
    reconcile(peer, now: now)
  }
}

extension RTPParticipant {
  fileprivate func subscriber(taking formats: [RTPFormat], now: Instant) -> Subscriber {
    let refresh = keyFrames.map { KeyFrameRefresh(interval: $0, now: now) }
    return Subscriber(formats: taken(of: formats), refresh: refresh)
  }

  /// What it takes of these. Whoever sends names its own SSRCs, not those it gets.
  fileprivate func taken(of formats: [RTPFormat]) -> [RTPFormat] {
    guard direction.sends else { return formats }
    return formats.map { format in
      var format = format
      format.ssrc = nil
      return format
    }
  }
}

extension Subscriber {
  /// The publisher's codecs that are taken, under the receiver's payload types. Retransmissions need an agreement that
  /// clear RTP has not.
  fileprivate func taken(of track: Track) -> [NegotiatedCodec] {
    track.codecs.compactMap { codec in
      guard let format = formats.first(where: { $0.takes(codec) }) else { return nil }
      var taken = codec
      taken.payloadType = format.payloadType
      taken.retransmissionPayloadType = nil
      taken.feedback = []
      return taken
    }
  }

  /// A subscription that needs no answer.
  fileprivate func clearSubscription(to track: Track) -> Subscription {
    let codecs = taken(of: track)
    let used = Set(subscriptions.map(\.ssrc))
    let asked = formats.lazy.filter { format in track.codecs.contains { format.takes($0) } }.compactMap(\.ssrc)
      .first { !used.contains($0) }
    return Subscription(
      track: track.id, from: track.participant, kind: track.kind, source: track.source,
      ssrc: asked ?? .random(in: 1...UInt32.max),
      retransmissionSSRC: nil, sequenceOffset: .random(in: 0...UInt16.max),
      timestampOffset: .random(in: 0...UInt32.max),
      accepted: SubscribedMedia(
        trackID: track.id.rawValue, mid: "", codecs: codecs, extensions: [:]))
  }
}

extension IPAddress {
  /// How many leading bits it has in common with an address of its family.
  fileprivate func sharedBits(_ other: IPAddress) -> Int {
    var count = 0
    for (mine, theirs) in zip(bytes, other.bytes) {
      guard mine == theirs else { return count + (mine ^ theirs).leadingZeroBitCount }
      count += 8
    }
    return count
  }
}
