import DTLS
import Forwarding
import ICE
import Peer
import RTP
import SDP
import SRTP
import Wire

/// The life of peers: made when something is negotiated, fed with datagrams, programmed into the fast path when connected,
/// removed with everything of theirs when they end.
extension SFU {
  /// A new peer of `participant`, not yet negotiated.
  mutating func makePeer(
    for participant: ParticipantID, publication: Publication? = nil, subscriber: Subscriber? = nil, now: Instant
  ) -> TransportID {
    let id = TransportID(rawValue: sequencer.next())
    let credentials = ICECredentials.random()
    let peer = Peer(local: credentials, certificate: certificate, now: now)
    peers[id] = PeerSession(
      id: id, participant: participant, connection: .webRTC(peer), usernameFragments: peer.localUsernameFragments,
      publication: publication, subscriber: subscriber)
    connecting.insert(id)
    finder.rename(id, from: [], to: peer.localUsernameFragments)
    tellExpectation(of: id)
    return id
  }

  /// What our side of the peer's transport says of itself in SDP; nil for clear RTP.
  func localDescription(of session: PeerSession) -> LocalTransportDescription? {
    guard let peer = session.connection.webRTC else { return nil }
    return LocalTransportDescription(
      iceUfrag: peer.localCredentials.usernameFragment, icePwd: peer.localCredentials.password,
      fingerprint: Fingerprint(algorithm: "sha-256", value: certificate.fingerprint),
      candidates: configuration.candidates)
  }

  /// Gives the peer new local credentials (ICE restart); the old ones stay good until the client nominates anew.
  mutating func restartICE(of id: TransportID) {
    guard let session = peers[id], let peer = session.connection.webRTC else { return }
    let credentials = ICECredentials.random()
    peer.restartICE(local: credentials)
    finder.rename(id, from: session.usernameFragments, to: peer.localUsernameFragments)
    session.usernameFragments = peer.localUsernameFragments
    tellExpectation(of: id)
    if session.resource != nil { peers[id]?.resource?.entityTag = credentials.usernameFragment }
  }

  /// Tells the peer who it talks to, and in which role.
  mutating func setRemote(
    _ remote: RemoteTransportDescription, localSetup: SetupRole, of id: TransportID, now: Instant
  ) {
    peers[id]?.remote = remote
    peers[id]?.connection.webRTC?.setRemote(
      credentials: ICECredentials(usernameFragment: remote.iceUfrag, password: remote.icePwd),
      fingerprints: remote.fingerprints.map { ($0.algorithm, $0.value) },
      dtlsRole: localSetup == .active ? .client : .server,
      now: now)
  }

  mutating func received(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) {
    guard let fragment = ICEAgent.localUsernameFragment(of: datagram) else {
      return receivedOther(datagram, on: tuple, now: now)
    }
    guard let id = finder.find(usernameFragment: fragment) else {
      counters.datagramsDropped["unknown-peer", default: 0] += 1
      return
    }
    guard !isHeld(tuple, against: id, now: now) else {
      counters.datagramsDropped["address-in-use", default: 0] += 1
      return
    }
    pass(datagram, to: id, on: tuple, now: now)
    guard let session = peers[id], session.connection.hasValidated(tuple) else { return }
    finder.claim(tuple, for: session, now: now)
    tellExpectation(of: id)
  }

  /// Lets the fast path know the peer's datagrams among those of strangers.
  private mutating func tellExpectation(of id: TransportID) {
    guard let session = peers[id] else { return }
    let expectation = Expectation(usernameFragments: session.usernameFragments, tuples: session.claims)
    guard expectation != session.expectation else { return }
    session.expectation = expectation
    commands.append(.fastPath(.expect(id, expectation)))
  }

  /// What is no STUN request is its owner's. Before there is one, it may be of any peer that was heard there.
  private mutating func receivedOther(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) {
    let possible = finder.find(on: tuple)
    guard let first = possible.first else {
      counters.datagramsDropped["unknown-peer", default: 0] += 1
      return
    }
    let isOwned = finder.owner(of: tuple).flatMap { peers[$0] }?.connection.holdsAddress(now: now) ?? false
    for id in isOwned ? [first] : possible { pass(datagram, to: id, on: tuple, now: now) }
  }

  private mutating func pass(_ datagram: [UInt8], to id: TransportID, on tuple: FiveTuple, now: Instant) {
    guard let outputs = peers[id]?.connection.received(datagram, on: tuple, now: now) else { return }
    follow(id, on: tuple)
    captureControl(datagram, from: id, on: tuple)
    handle(outputs, of: id, now: now)
  }

  /// Whether another peer lives on `tuple`, or is about to. A check proves who made it, not where it came from: with a forged address anyone
  /// with credentials of their own could take the other's datagrams away.
  private func isHeld(_ tuple: FiveTuple, against id: TransportID, now: Instant) -> Bool {
    guard let owner = finder.owner(of: tuple) else { return finder.isClaimed(tuple, against: id, now: now) }
    guard owner != id else { return false }
    return peers[owner]?.connection.holdsAddress(now: now) ?? false
  }

  /// Keeps the peer findable under the pair that ICE selected, on which it was just heard. Where another had taken that
  /// over meanwhile, the peer gets its routes back, too.
  private mutating func follow(_ id: TransportID, on tuple: FiveTuple) {
    guard let session = peers[id], session.connection.selected == tuple, finder.owner(of: tuple) != id else { return }
    finder.move(id, from: session.tuple, to: tuple)
    if session.tuple == tuple, session.isConnected { moved(id, to: tuple) }
    session.tuple = tuple
  }

  mutating func handle(_ outputs: [PeerOutput], of id: TransportID, now: Instant) {
    for output in outputs {
      switch output {
      case .send(let bytes, let tuple): commands.append(.send(bytes, tuple))
      case .connected(let tuple, let inbound, let outbound): connected(id, tuple, inbound, outbound, now: now)
      case .moved(let tuple): moved(id, to: tuple)
      case .rtcp(let packets, let receivedAt):
        captureControl(packets, from: id)
        received(packets, from: id, at: receivedAt)
      case .dropped(let reason): counters.datagramsDropped[reason, default: 0] += 1
      case .refused(let reason): counters.iceRefusals[reason, default: 0] += 1
      case .failed(let failure): failed(id, failure, now: now)
      case .closed: ended(id, reason: "closed by the client", now: now)
      }
    }
  }

  private mutating func connected(
    _ id: TransportID, _ tuple: FiveTuple, _ inbound: SRTPKeys, _ outbound: SRTPKeys, now: Instant
  ) {
    guard let session = peers[id] else { return }
    counters.count(.completed)
    peers[id]?.profile = "\(inbound.profile)"
    connecting.remove(id)
    commands.append(
      .fastPath(.addTransport(transport(of: session, tuple, .srtp(inbound: inbound, outbound: outbound)))))
    commands.append(
      log(
        .info, "peer connected",
        describe(id).merging(["remote": "\(tuple.remote)", "srtp": "\(inbound.profile)"]) { $1 }))
    if session.publication != nil { addNamedSources(of: id, now: now) }
    reconcile(id, now: now)
  }

  func transport(of session: PeerSession, _ tuple: FiveTuple, _ protection: Protection) -> Transport {
    Transport(id: session.id, tuple: tuple, protection: protection, extensions: readExtensions(of: session))
  }

  /// The extension ids of a bundle are the same on all its m-lines (RFC 8843 section 10), so the first m-line that has one tells.
  func readExtensions(of session: PeerSession) -> ReadExtensions {
    let media = session.publication?.session?.media ?? []
    func id(_ uri: String) -> UInt8 { media.lazy.compactMap { $0.extensions[uri] }.first ?? 0 }
    return ReadExtensions(
      mid: id(HeaderExtension.mid), rid: id(HeaderExtension.rid), repairedRID: id(HeaderExtension.repairedRID),
      transportWide: id(HeaderExtension.transportWideSequence), audioLevel: id(HeaderExtension.audioLevel))
  }

  private mutating func moved(_ id: TransportID, to tuple: FiveTuple) {
    commands.append(.fastPath(.moveTransport(id, tuple)))
    commands.append(log(.info, "peer moved", describe(id).merging(["remote": "\(tuple.remote)"]) { $1 }))
  }

  private mutating func failed(_ id: TransportID, _ failure: PeerFailure, now: Instant) {
    switch failure {
    case .ice: counters.iceFailures[failure.name, default: 0] += 1
    case .dtls(.fingerprintMismatch):
      counters.count(.fingerprintMismatch)
      tell(
        id, .fingerprintMismatch,
        "the DTLS certificate is not the one whose fingerprint the SDP gave; the peer was closed")
    case .dtls(.timeout): counters.count(.timeout)
    case .dtls: counters.count(.failed)
    }
    ended(id, reason: failure.name, now: now)
  }

  /// The peer is gone. A WHIP or WHEP participant is its peer; a WebSocket client hears of it and may negotiate anew.
  private mutating func ended(_ id: TransportID, reason: String, now: Instant) {
    guard let session = peers[id] else { return }
    commands.append(log(.info, "peer ended", describe(id).merging(["reason": reason]) { $1 }))
    if participants[session.participant]?.connection == nil {
      remove(session.participant, reason: reason, now: now)
    } else {
      tell(
        id, .peerFailed,
        "the \(session.role.rawValue) connection ended (\(reason)); send \(session.role.rawValue) again")
      removePeer(id, now: now)
    }
  }

  /// Ends a peer and everything that is on it.
  mutating func removePeer(_ id: TransportID, now: Instant) {
    guard let session = peers[id] else { return }
    if session.connection.isClear { sayGoodbye(to: session) }
    for case .send(let bytes, let tuple) in session.connection.close() { commands.append(.send(bytes, tuple)) }
    if let publication = session.publication {
      for track in publication.tracks.values { removeTrack(track) }
    }
    for sink in session.subscriber?.sinkBySSRC.values.map({ $0 }) ?? [] { forgetSink(sink) }
    if session.isConnected { commands.append(.fastPath(.removeTransport(id))) }
    if !session.expectation.isEmpty { commands.append(.fastPath(.expect(id, Expectation()))) }
    finder.remove(session)
    clearReceivers.remove(id)
    connecting.remove(id)
    peers[id] = nil
    if participants[session.participant]?.publishPeer == id { participants[session.participant]?.publishPeer = nil }
    if participants[session.participant]?.subscribePeer == id { participants[session.participant]?.subscribePeer = nil }
    participants[session.participant]?.clearPeers.removeAll { $0 == id }
  }

  private mutating func tell(_ id: TransportID, _ code: ErrorCode, _ message: String) {
    guard let session = peers[id], let connection = participants[session.participant]?.connection else { return }
    refuse(connection, code, message, about: session.role)
  }

  /// Who a peer is, for the log.
  func describe(_ id: TransportID) -> [String: String] {
    guard let session = peers[id], let participant = participants[session.participant] else {
      return ["peer": "\(id.rawValue)"]
    }
    return [
      "peer": "\(id.rawValue)", "role": session.role.rawValue, "participant": participant.id.rawValue,
      "name": participant.name, "room": participant.room,
    ]
  }
}
