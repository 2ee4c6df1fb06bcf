import Forwarding
import SDP
import Wire

/// What WebSocket clients say, one method per message.
extension SFU {
  mutating func received(_ message: ClientMessage, on connection: ConnectionID, grants: Grants, now: Instant) {
    if case .join(let room, let name, let resume) = message {
      return join(room: room, name: name, resume: resume, on: connection, grants: grants, now: now)
    }
    guard let id = connections[connection] else {
      return refuse(connection, .outOfOrder, "the first message must be join")
    }
    switch message {
    case .join: break
    case .publish(let sdp, let labels): publish(sdp, labels, by: id, on: connection, now: now)
    case .answer(let sdp): answered(sdp, by: id, on: connection, now: now)
    // We are ICE-lite: only its form matters.
    case .candidate(let target, let line):
      if !line.isEmpty, ICECandidate(line) == nil {
        refuse(connection, .badMessage, "the candidate is not of the form of RFC 8839 section 5.1", about: target)
      }
    case .subscribe(let wanted, _): want(wanted, id, on: connection, now: now)
    case .mute(let track, let muted): mute(track, muted, by: id, on: connection, now: now)
    case .restart(let target, let sdp, let labels): restart(target, sdp, labels, by: id, on: connection, now: now)
    case .leave:
      remove(id, reason: "left", now: now)
    }
  }

  mutating func disconnected(_ connection: ConnectionID, now: Instant) {
    guard let id = connections[connection] else { return }
    remove(id, reason: "its WebSocket closed", now: now)
  }

  private mutating func join(
    room: String, name: String, resume: String?, on connection: ConnectionID, grants: Grants, now: Instant
  ) {
    guard connections[connection] == nil else {
      return refuse(connection, .outOfOrder, "this connection has already joined; leave first")
    }
    let former = resume.flatMap { secret in
      rooms[room]?.participants.first { participants[$0]?.resumeSecret == secret }
    }
    do throws(Refusal) {
      let id = try admit(
        name: name, room: room, doorway: .websocket(connection), grants: grants, returned: former, now: now)
      connections[connection] = id
      guard let participant = participants[id] else { return }
      let present = others(than: id).filter(\.isVisible).map(info)
      commands.append(
        .message(
          connection,
          .joined(
            participant: info(participant), participants: present, iceServers: configuration.iceServers,
            resume: participant.resumeSecret)))
      tellSpeakers(to: connection, in: room)
      changedParticipants.insert(id)
    } catch {
      guard case .refused(let code, let message) = error else { return }
      refuse(connection, code, message)
    }
  }

  private mutating func want(_ wanted: [String]?, _ id: ParticipantID, on connection: ConnectionID, now: Instant) {
    guard participants[id]?.grants.canSubscribe == true else {
      return refuse(connection, .forbidden, "the token does not allow subscribing", about: .subscribe)
    }
    let tracks = wanted.map { existing($0, for: id) }
    participants[id]?.wanted = tracks
    changedParticipants.insert(id)
  }

  /// Those tracks of the participant's room that a client names. The others are no tracks, and no track will get their ids.
  private func existing(_ wanted: [String], for id: ParticipantID) -> Set<TrackID> {
    let room = participants[id]?.room
    return Set(
      wanted.lazy.map(TrackID.init).filter { track in
        tracks[track].flatMap { participants[$0.participant]?.room } == room
      })
  }

  private mutating func mute(
    _ track: String, _ muted: Bool, by id: ParticipantID, on connection: ConnectionID, now: Instant
  ) {
    let track = TrackID(rawValue: track)
    guard tracks[track]?.participant == id else {
      return refuse(connection, .notFound, "track: \(track.rawValue) is not one of yours")
    }
    setMuted(muted, track, by: .owner, now: now)
    if !muted, tracks[track]?.isMuted == true {
      refuse(connection, .forbidden, "track: \(track.rawValue) stays muted: an operator muted it")
    }
  }

  private mutating func restart(
    _ target: PeerRole, _ sdp: String?, _ labels: [String: TrackLabel], by id: ParticipantID,
    on connection: ConnectionID, now: Instant
  ) {
    switch (target, sdp) {
    case (.publish, let sdp?): publish(sdp, labels, by: id, on: connection, now: now)
    case (.publish, nil):
      refuse(connection, .badMessage, "sdp: restart of the publish peer needs an offer", about: .publish)
    case (.subscribe, _):
      guard let peer = participants[id]?.subscribePeer else {
        return refuse(connection, .outOfOrder, "there is no subscribe peer to restart", about: .subscribe)
      }
      // If an offer is in flight, the one that restarts follows its answer.
      peers[peer]?.subscriber?.wantsRestart = true
      peers[peer]?.subscriber?.isStale = true
      changedParticipants.insert(id)
    }
  }

  /// `target`: the peer that it is about, if it is about one.
  mutating func refuse(
    _ connection: ConnectionID, _ code: ErrorCode, _ message: String, about target: PeerRole? = nil
  ) {
    commands.append(.message(connection, .error(code, message: message, target: target)))
  }
}
