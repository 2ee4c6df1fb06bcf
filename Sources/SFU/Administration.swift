import Forwarding
import Wire

/// What operators do to calls.
extension SFU {
  mutating func perform(_ action: AdminAction, now: Instant) -> AdminOutcome {
    switch action {
    case .kick(let room, let participant): return kick(participant, outOf: room, now: now)
    case .mute(let room, let participant, let track, let muted):
      return mute(room, participant, track, muted, now: now)
    case .close(let room):
      guard let present = rooms[room]?.participants else { return .notFound("there is no room \(room)") }
      for id in present { expel(id, .roomClosed, "the room was closed by an operator", now: now) }
      return .done
    case .drain(let draining):
      isDraining = draining
      commands.append(log(.info, draining ? "draining" : "taking participants again", [:]))
      return .done
    case .addRTP(let setup): return addRTP(setup, now: now)
    case .removeRTP(let room, let name): return removeRTP(name, in: room, now: now)
    case .describeRTP(let room, let name): return describeRTP(name, in: room)
    case .beginCapture(let order): return beginCapture(order, now: now)
    case .readCapture(let id): return readCapture(id, now: now)
    case .endCapture(let id): return endCapture(id)
    }
  }

  /// Names are not unique, and putting out the wrong one cannot be undone.
  private mutating func kick(_ participant: String, outOf room: String, now: Instant) -> AdminOutcome {
    let found = find(participant, in: room)
    guard found.count < 2 else { return .ambiguous(found.map(\.rawValue)) }
    return withParticipants(participant, in: room) { sfu, id in
      sfu.expel(id, .kicked, "you were removed by an operator", now: now)
    }
  }

  private mutating func mute(
    _ room: String, _ participant: String, _ track: String?, _ muted: Bool, now: Instant
  ) -> AdminOutcome {
    var found = false
    let outcome = withParticipants(participant, in: room) { sfu, id in
      let published = sfu.participants[id]?.tracks ?? []
      for own in published where track == nil || track == own.rawValue {
        found = true
        sfu.setMuted(muted, own, by: muted ? .operator : [.operator, .owner], now: now)
        if !muted, let kind = sfu.tracks[own]?.kind { sfu.participants[id]?.mutedKinds.remove(kind) }
      }
      if track == nil, !published.isEmpty { sfu.participants[id]?.mutedKinds = muted ? [.audio, .video] : [] }
    }
    guard outcome == .done, !found else { return outcome }
    return .notFound(track.map { "\(participant) publishes no track \($0)" } ?? "\(participant) publishes nothing")
  }

  /// Everyone in the room who has this id, else this name.
  private mutating func withParticipants(
    _ key: String, in room: String, _ body: (inout SFU, ParticipantID) -> Void
  ) -> AdminOutcome {
    guard rooms[room] != nil else { return .notFound("there is no room \(room)") }
    let matches = find(key, in: room)
    guard !matches.isEmpty else { return .notFound("there is no participant \(key) in room \(room)") }
    for id in matches { body(&self, id) }
    return .done
  }

  private func find(_ key: String, in room: String) -> [ParticipantID] {
    let present = rooms[room]?.participants ?? []
    let byID = present.filter { $0.rawValue == key }
    guard byID.isEmpty else { return byID }
    let named = present.filter { participants[$0]?.name == key }
    // A viewer has its publisher's name, and ends with it.
    let visible = named.filter { participants[$0]?.isVisible == true }
    return visible.isEmpty ? named : visible
  }

  private mutating func expel(_ id: ParticipantID, _ code: ErrorCode, _ message: String, now: Instant) {
    let connection = participants[id]?.connection
    if let connection { refuse(connection, code, message) }
    remove(id, reason: message, now: now)
    if let connection { commands.append(.close(connection, reason: code)) }
  }
}
