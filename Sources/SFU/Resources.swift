import Forwarding
import ICE
import SDP
import Wire

/// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): a participant by one HTTP request.
extension SFU {
  mutating func respond(to resource: ResourceRequest, _ request: RequestID, now: Instant) {
    let response: ResourceResponse
    switch resource {
    case .create(.publish, let room, let participant, let offer, let grants, let client):
      response = ingest(room: room, name: participant, offer: offer, grants: grants, client: client, now: now)
    case .create(.subscribe, let room, let participant, let offer, let grants, let client):
      response = play(room: room, name: participant, offer: offer, grants: grants, client: client, now: now)
    case .patch(let role, let room, let participant, let resource, let fragment, let ifMatch):
      response = patch(
        find(role, room: room, name: participant, resource: resource), fragment: fragment, ifMatch: ifMatch, now: now)
    case .delete(let role, let room, let participant, let resource):
      response = delete(find(role, room: room, name: participant, resource: resource), now: now)
    }
    commands.append(.respond(request, response))
  }

  /// WHIP: a new publisher. One that publishes under the same name by WHIP is replaced: an encoder that crashed comes back.
  private mutating func ingest(
    room: String, name: String, offer: String, grants: Grants, client: String, now: Instant
  ) -> ResourceResponse {
    guard grants.canPublish else {
      return .failed(status: 403, .forbidden, detail: "the token does not allow publishing")
    }
    let parsed: SessionDescription
    do throws(SDPError) { parsed = try SessionDescription.parse(offer, limits: offerLimits) } catch {
      return .failed(error)
    }
    let previous = publisher(named: name, in: room).flatMap { $0.doorway == .whip ? $0.id : nil }
    do throws(Refusal) {
      let id = try admit(
        name: name, room: room, doorway: .whip, grants: grants, replacing: previous, client: client, now: now)
      do throws(SDPError) {
        let session = try negotiatePublish(parsed, [:], by: id, needsAll: true, now: now)
        if let previous { remove(previous, reason: "replaced by a new WHIP publisher of its name", now: now) }
        return created(
          participants[id]?.publishPeer, answer: session.answer, warnings: session.refused.map(\.description))
      } catch {
        remove(id, reason: "its offer was refused", now: now)
        return .failed(error)
      }
    } catch {
      return .failed(error)
    }
  }

  /// WHEP: a viewer of what one participant publishes now.
  private mutating func play(
    room: String, name: String, offer: String, grants: Grants, client: String, now: Instant
  ) -> ResourceResponse {
    guard grants.canSubscribe else {
      return .failed(status: 403, .forbidden, detail: "the token does not allow subscribing")
    }
    if let allowed = grants.room, allowed != room {
      return .failed(status: 403, .forbidden, detail: "the token does not open room \(room)")
    }
    guard let publisher = publisher(name, in: room), !publisher.tracks.isEmpty else {
      return .failed(status: 404, .notFound, detail: "\(name) publishes nothing in room \(room)")
    }
    do throws(Refusal) {
      let id = try admit(
        name: name, room: room, doorway: .whep(of: publisher.id), grants: grants, client: client, now: now)
      do throws(SDPError) {
        return try view(publisher, by: id, offer: SessionDescription.parse(offer, limits: offerLimits), now: now)
      } catch {
        remove(id, reason: "its offer was refused", now: now)
        return .failed(error)
      }
    } catch {
      return .failed(error)
    }
  }

  private mutating func view(
    _ publisher: Participant, by id: ParticipantID, offer: SessionDescription, now: Instant
  ) throws(SDPError) -> ResourceResponse {
    var subscriber = Subscriber()
    let published = publisher.tracks.compactMap { tracks[$0] }
    subscriber.subscriptions = published.map { subscriber.subscription(to: $0) }
    let peer = makePeer(for: id, subscriber: subscriber, now: now)
    participants[id]?.subscribePeer = peer
    guard let local = peers[peer].flatMap(localDescription) else {
      return .failed(status: 500, .peerFailed, detail: "the peer ended")
    }
    let offered = zip(published, subscriber.subscriptions).map { self.offer(of: $0, as: $1) }
    let (negotiated, accepted) = try answer(
      whepOffer: offer, tracks: offered, capabilities: capabilities, local: local)
    guard accepted.contains(where: { !$0.isRejected }) else { throw .nothingReceived }
    subscriber.take(accepted)
    subscriber.subscriptions.removeAll { $0.accepted == nil }
    subscriber.answered = negotiated
    peers[peer]?.subscriber = subscriber
    setRemote(negotiated.remote, localSetup: negotiated.localSetup, of: peer, now: now)
    let unplayable = subscriber.subscriptions.filter { $0.accepted?.refusal == .codecs }
      .compactMap { subscription in tracks[subscription.track].map { reasonUnplayable($0, subscription) } }
    tellUnplayable(to: peer, now: now)
    return created(peer, answer: negotiated.answer, warnings: unplayable)
  }

  /// `warnings`: what the answer leaves out, for people.
  private mutating func created(
    _ peer: TransportID?, answer: SessionDescription, warnings: [String]
  ) -> ResourceResponse {
    guard let peer, let tag = peers[peer]?.connection.webRTC?.localCredentials.usernameFragment else {
      return .failed(status: 500, .peerFailed, detail: "the peer ended")
    }
    let resource = Identifier.secret()
    peers[peer]?.resource = (resource, tag)
    return .created(
      resource: resource, answer: answer.serialized(), entityTag: tag, iceServers: configuration.iceServers,
      warnings: Array(warnings.prefix(8)))
  }

  /// Trickled candidates need nothing of an ICE-lite agent; new credentials are an ICE restart (RFC 9725 section 4.3).
  private mutating func patch(
    _ peer: TransportID?, fragment: String, ifMatch: [String], now: Instant
  ) -> ResourceResponse {
    guard let peer, let session = peers[peer], let resource = session.resource else { return .gone }
    let parsed: SDPFragment
    do throws(SDPError) { parsed = try SDPFragment.parse(fragment) } catch { return .failed(error) }
    guard !ifMatch.isEmpty else {
      return .failed(
        status: 428, .badMessage, detail: "If-Match is missing: send the ETag of the answer, or * to restart ICE")
    }
    guard ifMatch == ["*"] || ifMatch.contains(resource.entityTag) else {
      return .failed(status: 412, .outOfOrder, detail: "If-Match is not the entity tag of the current ICE session")
    }
    guard var remote = session.remote, parsed.restartsICE(of: remote) else { return .accepted }
    guard let usernameFragment = parsed.iceUfrag, let password = parsed.icePwd else {
      let missing = parsed.icePwd == nil ? "a=ice-pwd" : "a=ice-ufrag"
      return .failed(status: 400, .badSDP, detail: "\(missing) is missing: an ICE restart brings both credentials")
    }
    guard let negotiated = session.publication?.session ?? session.subscriber?.answered else { return .gone }
    restartICE(of: peer)
    remote.iceUfrag = usernameFragment
    remote.icePwd = password
    setRemote(remote, localSetup: negotiated.localSetup, of: peer, now: now)
    guard let tag = session.resource?.entityTag, let local = localDescription(of: session) else { return .gone }
    let fragment = SDPFragment(local: local, answering: negotiated)
    return .restarted(fragment: fragment.serialized(), entityTag: tag)
  }

  private mutating func delete(_ peer: TransportID?, now: Instant) -> ResourceResponse {
    guard let peer, let session = peers[peer] else { return .gone }
    remove(session.participant, reason: "its resource was deleted", now: now)
    return .deleted
  }

  /// The peer a resource names: its path must be right in every part.
  private func find(_ role: PeerRole, room: String, name: String, resource: String) -> TransportID? {
    let session = peers.values.first { $0.resource?.id == resource && $0.role == role }
    guard let session, let participant = participants[session.participant], participant.room == room,
      participant.name == name
    else { return nil }
    return session.id
  }

  /// What a viewer asked for: a participant by id or by name. Nobody's name is somebody's id (`checkName`).
  private func publisher(_ idOrName: String, in room: String) -> Participant? {
    if let present = participants[ParticipantID(rawValue: idOrName)], present.room == room, present.isVisible {
      return present
    }
    return publisher(named: idOrName, in: room)
  }

  /// The newest of that name.
  private func publisher(named name: String, in room: String) -> Participant? {
    (rooms[room]?.participants ?? []).lazy.reversed().compactMap { participants[$0] }
      .first { $0.name == name && $0.isVisible }
  }
}

extension ResourceResponse {
  static let gone = ResourceResponse.failed(
    status: 404, .notFound, detail: "there is no such resource; it may have ended")

  static func failed(_ error: SDPError) -> ResourceResponse {
    error.isSyntax
      ? .failed(status: 400, .badSDP, detail: error.message)
      : .failed(status: 422, .unsupportedSDP, detail: error.message)
  }

  static func failed(_ refusal: SFU.Refusal) -> ResourceResponse {
    guard case .refused(let code, let message) = refusal else { return .gone }
    let status = [.forbidden: 403, .nameTaken: 409][code] ?? 503
    return .failed(status: status, code, detail: message)
  }
}
