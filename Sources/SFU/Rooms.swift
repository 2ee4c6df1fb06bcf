import Forwarding
import Wire

/// Participants come and go.
extension SFU {
  enum Refusal: Error {
    case refused(ErrorCode, String)
  }

  /// Lets a participant into a room, which begins to exist with its first participant. Who is about to be `replaced` takes
  /// no place. Who has `returned` is the newcomer itself, which makes way for it once it is admitted. `client`: the address
  /// it comes from, for the log, where no connection's line has it.
  mutating func admit(
    name: String, room: String, doorway: Doorway, grants: Grants, replacing replaced: ParticipantID? = nil,
    returned: ParticipantID? = nil, client: String? = nil, now: Instant
  ) throws(Refusal) -> ParticipantID {
    try checkGrants(grants, name: name, room: room, doorway: doorway)
    if !doorway.isViewer { try checkName(name) }
    if let replaced, !mayReplace(replaced, grants, now: now) {
      throw .refused(
        .nameTaken, "\(name) publishes in room \(room) already; only a token with the sub \"\(name)\" replaces it")
    }
    let muted = (returned ?? replaced).map(mutedKinds) ?? []
    if let returned { makeWay(returned, now: now) } else { try checkPlace(in: room, replacing: replaced) }
    let id = Identifier.participant()
    participants[id] = Participant(
      id: id, name: name, room: room, doorway: doorway, grants: grants, joinedAt: now, resumeSecret: Identifier.secret()
    )
    participants[id]?.mutedKinds = muted
    rooms[room, default: Room(name: room)].participants.append(id)
    var metadata = ["participant": id.rawValue, "name": name, "room": room, "via": doorway.name]
    metadata["client"] = client
    // Its log line has the client's address.
    if case .websocket(let connection) = doorway { metadata["connection"] = "\(connection.rawValue)" }
    commands.append(log(.info, "participant joined", metadata))
    announce(.joined, id)
    return id
  }

  private func checkGrants(_ grants: Grants, name: String, room: String, doorway: Doorway) throws(Refusal) {
    if let allowed = grants.room, allowed != room { throw .refused(.forbidden, "the token does not open room \(room)") }
    if let identity = grants.identity, identity != name, !doorway.isViewer {
      throw .refused(.forbidden, "the token is not for the name \(name)")
    }
  }

  /// Ids, which everyone in a room is told, and names stand in the same places of paths and orders: none may be both. (Ids are
  /// random, so nobody can take a name that will be one.)
  private func checkName(_ name: String) throws(Refusal) {
    guard participants[ParticipantID(rawValue: name)] == nil else {
      throw .refused(.nameTaken, "\(name) is a participant's id; choose another name")
    }
  }

  private func checkPlace(in room: String, replacing replaced: ParticipantID?) throws(Refusal) {
    guard !isDraining else {
      throw .refused(.draining, "this server is draining and takes no new participants; use another")
    }
    if rooms[room] == nil, rooms.count >= configuration.maximumRooms {
      throw .refused(.tooManyRooms, "this server has its maximum of \(configuration.maximumRooms) rooms")
    }
    let present = (rooms[room]?.participants.count ?? 0) - (replaced == nil ? 0 : 1)
    if present >= configuration.maximumParticipantsPerRoom {
      throw .refused(
        .roomFull, "room \(room) has its maximum of \(configuration.maximumParticipantsPerRoom) participants")
    }
  }

  /// What an operator muted of it: who takes its place does not undo that.
  private func mutedKinds(of id: ParticipantID) -> Set<MediaKind> {
    let muted = participants[id]?.tracks.compactMap { tracks[$0] }.filter { $0.mutes.contains(.operator) } ?? []
    return (participants[id]?.mutedKinds ?? []).union(muted.map(\.kind))
  }

  /// The client came back on a new connection: what it had before goes, so that it is not in the room twice.
  private mutating func makeWay(_ former: ParticipantID, now: Instant) {
    let connection = participants[former]?.connection
    remove(former, reason: "it joined again", now: now)
    if let connection { commands.append(.close(connection, reason: .replaced)) }
  }

  /// A token that is good for any name says nothing of whose place its bearer takes, as long as that one is heard.
  private func mayReplace(_ id: ParticipantID, _ grants: Grants, now: Instant) -> Bool {
    guard configuration.requiresTokens, grants.identity == nil else { return true }
    let peer = participants[id]?.publishPeer.flatMap { peers[$0] }
    return peer.map { !$0.connection.holdsAddress(now: now) } ?? true
  }

  /// Ends a participant: its peers, tracks and copies; the room ends with its last participant.
  mutating func remove(_ id: ParticipantID, reason: String, now: Instant) {
    guard let participant = participants[id] else { return }
    for peer in participant.peers { removePeer(peer, now: now) }
    for viewer in others(than: id) where viewer.doorway == .whep(of: id) {
      remove(viewer.id, reason: "the publisher left", now: now)
    }
    announce(.left, id)
    participants[id] = nil
    if let connection = participant.connection { connections[connection] = nil }
    rooms[participant.room]?.participants.removeAll { $0 == id }
    if rooms[participant.room]?.participants.isEmpty == true { rooms[participant.room] = nil }
    commands.append(
      log(.info, "participant left", ["participant": id.rawValue, "room": participant.room, "reason": reason]))
  }

  /// The others in a participant's room, in order of joining.
  func others(than id: ParticipantID) -> [Participant] {
    guard let room = participants[id]?.room else { return [] }
    return (rooms[room]?.participants ?? []).filter { $0 != id }.compactMap { participants[$0] }
  }

  func info(_ participant: Participant) -> ParticipantInfo {
    ParticipantInfo(
      id: participant.id.rawValue, name: participant.name, tracks: participant.tracks.compactMap { tracks[$0]?.info })
  }

  mutating func announce(_ event: ParticipantEvent, _ id: ParticipantID) {
    guard let participant = participants[id], participant.isVisible else { return }
    broadcast(.participant(event: event, participant: info(participant)), exceptTo: id)
  }

  mutating func announce(_ event: TrackEvent, _ track: Track, alsoToOwner: Bool = false) {
    let message = ServerMessage.track(event: event, participant: track.participant.rawValue, track: track.info)
    broadcast(message, exceptTo: track.participant)
    if alsoToOwner, let owner = participants[track.participant]?.connection {
      commands.append(.message(owner, message))
    }
  }

  /// To every WebSocket client in the room of `id` but `id` itself.
  private mutating func broadcast(_ message: ServerMessage, exceptTo id: ParticipantID) {
    for connection in others(than: id).compactMap(\.connection) { commands.append(.message(connection, message)) }
  }
}
