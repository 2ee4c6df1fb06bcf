import Forwarding
import Peer
import RTP
import Wire

/// Captures of what arrives from and leaves to the participants of a room. The worker records RTP; RTCP passes here anyway.
extension SFU {
  static let maximumCaptures = 4
  /// A capture that nobody reads for so long ends.
  private static let patience = Interval.seconds(2)

  // MARK: What operators do

  mutating func beginCapture(_ order: CaptureOrder, now: Instant) -> AdminOutcome {
    guard rooms[order.room] != nil else { return .notFound("there is no room \(order.room)") }
    if let key = order.participant, !participants.values.contains(where: { order.includes($0) }) {
      return .notFound("there is no participant \(key) in room \(order.room)")
    }
    guard captures.count < Self.maximumCaptures else {
      return .limited("\(Self.maximumCaptures) captures go on, which is the most there can be; end one first")
    }
    let id = CaptureID(rawValue: sequencer.next())
    captures[id] = CaptureState(order, now: now)
    commands.append(
      .fastPath(.capture(id, .begin(isDecrypted: order.isDecrypted, capacity: CaptureState.capacity))))
    for (transport, session) in peers where session.isConnected { include(transport, in: id) }
    commands.append(log(order.level, "capture begins", describe(id)))
    return .captureBegun(id)
  }

  mutating func readCapture(_ id: CaptureID, now: Instant) -> AdminOutcome {
    guard var state = captures[id] else { return .notFound("there is no capture \(id.rawValue)") }
    let report = state.read(now: now)
    if !state.isComplete, state.ending == nil, !state.isCollecting {
      state.isCollecting = true
      commands.append(.fastPath(.capture(id, .collect)))
    }
    captures[id] = state.isComplete ? nil : state
    return .captureRead(report)
  }

  /// What is recorded can still be read.
  mutating func endCapture(_ id: CaptureID) -> AdminOutcome {
    guard captures[id] != nil else { return .notFound("there is no capture \(id.rawValue)") }
    end(id, because: "stopped")
    return .done
  }

  private mutating func end(_ id: CaptureID, because reason: String) {
    guard let state = captures[id], state.ending == nil else { return }
    captures[id]?.ending = reason
    commands.append(.fastPath(.capture(id, .end)))
    commands.append(log(state.order.level, "capture ends", describe(id).merging(["reason": reason]) { $1 }))
  }

  private func describe(_ id: CaptureID) -> [String: String] {
    guard let order = captures[id]?.order else { return [:] }
    return [
      "capture": "\(id.rawValue)", "room": order.room, "participant": order.participant ?? "all",
      "media": order.isDecrypted ? "DECRYPTED" : "as on the wire",
    ]
  }

  // MARK: What happens

  /// At the end of every event: captures follow those who come, and rooms that end.
  mutating func followCaptures(now: Instant) {
    guard !captures.isEmpty else { return }
    addControl(now: now)
    for case .fastPath(.addTransport(let transport)) in commands {
      for id in captures.keys { include(transport.id, in: id) }
    }
    for (id, state) in captures where rooms[state.order.room] == nil { end(id, because: "the room is closed") }
  }

  mutating func tendCaptures(now: Instant) {
    for (id, state) in captures {
      if now >= state.deadline { end(id, because: "\(state.order.seconds) s are over") }
      guard now.since(state.readAt) > Self.patience else { continue }
      end(id, because: "nobody reads it")
      captures[id] = nil
    }
  }

  private mutating func include(_ transport: TransportID, in id: CaptureID) {
    guard let order = captures[id]?.order, captures[id]?.ending == nil, let session = peers[transport],
      let participant = participants[session.participant], order.includes(participant)
    else { return }
    captures[id]?.names[transport] = participant.name
    commands.append(.fastPath(.capture(id, .include(transport))))
  }

  mutating func received(_ record: CapturedPackets, of id: CaptureID) {
    guard var state = captures[id] else { return }
    let names = state.names
    state.add(record) { comment(on: $0, names) }
    captures[id] = state
  }

  // MARK: RTCP

  /// RTCP on its way: as on the wire, in clear, or both.
  struct ControlPacket {
    var direction: CapturedPacket.Direction
    var participant: Participant
    var tuple: FiveTuple
    var wire: [UInt8]?
    var clear: [UInt8]?
  }

  /// Notes a datagram that came, if it is RTCP.
  mutating func captureControl(_ datagram: [UInt8], from peer: TransportID, on tuple: FiveTuple) {
    guard !captures.isEmpty, DatagramKind(datagram) == .rtcp, let (session, participant) = owner(of: peer) else {
      return
    }
    control.append(
      ControlPacket(
        direction: .arrived, participant: participant, tuple: tuple, wire: datagram,
        clear: session.connection.isClear ? datagram : nil))
  }

  /// Notes what came encrypted, opened.
  mutating func captureControl(_ packets: [RTCPPacket], from peer: TransportID) {
    guard !captures.isEmpty, let (session, participant) = owner(of: peer), !session.connection.isClear,
      let tuple = session.connection.selected
    else { return }
    control.append(
      ControlPacket(direction: .arrived, participant: participant, tuple: tuple, clear: RTCPPacket.encode(packets)))
  }

  /// Notes what is sent, as it was made and as it leaves.
  mutating func captureControl(
    _ packets: [RTCPPacket], sentAs bytes: [UInt8], to peer: TransportID, on tuple: FiveTuple
  ) {
    guard !captures.isEmpty, let (session, participant) = owner(of: peer) else { return }
    let clear = session.connection.isClear ? bytes : RTCPPacket.encode(packets)
    control.append(
      ControlPacket(direction: .left, participant: participant, tuple: tuple, wire: bytes, clear: clear))
  }

  private func owner(of peer: TransportID) -> (PeerSession, Participant)? {
    guard let session = peers[peer], let participant = participants[session.participant] else { return nil }
    return (session, participant)
  }

  private mutating func addControl(now: Instant) {
    defer { control = [] }
    for packet in control {
      for (id, state) in captures where state.ending == nil {
        guard state.order.includes(packet.participant),
          let bytes = state.order.isDecrypted ? packet.clear : packet.wire
        else { continue }
        let comment = "\(packet.direction == .arrived ? "from" : "to") \(packet.participant.name): RTCP"
        captures[id]?.add(packet.direction, packet.tuple, bytes, at: now, comment: comment)
      }
    }
  }

  // MARK: Comments

  /// Whose packet it is, what it carries and how it travelled.
  private func comment(on packet: CapturedPacket, _ names: [TransportID: String]) -> String {
    let name = names[packet.transport] ?? ""
    let lane = "\(packet.lane.rawValue) lane"
    guard let source = packet.source.flatMap({ sources[$0] }), let track = tracks[source.track] else {
      let what = packet.source == nil ? "an SSRC of no track" : "a track that is gone"
      return "\(packet.direction == .arrived ? "from" : "to") \(name): \(what), \(lane)"
    }
    let codec = track.codecNames.first.map { " \($0)" } ?? ""
    let kind = "\(track.kind.rawValue)\(codec)\(source.source.repairs == nil ? "" : " retransmissions")"
    switch packet.direction {
    case .arrived:
      let refusal = packet.isGenuine ? "" : ", refused: malformed, not authentic or seen before"
      return "from \(name): \(kind), track \(track.id.rawValue), \(lane)\(refusal)"
    case .left:
      let publisher = participants[track.participant]?.name ?? "someone who left"
      return "to \(name): \(kind) of \(publisher), track \(track.id.rawValue), \(lane)"
    }
  }
}

extension CaptureOrder {
  fileprivate func includes(_ participant: Participant) -> Bool {
    guard participant.room == room else { return false }
    return self.participant == nil || self.participant == participant.id.rawValue
      || self.participant == participant.name
  }

  /// That people's media leaves the server in clear is never silent.
  fileprivate var level: LogEvent.Level { isDecrypted ? .warning : .info }
}
