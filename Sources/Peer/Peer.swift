import DTLS
import ICE
import RTP
import SRTP
import Wire

/// Our end of one WebRTC connection: tells the datagrams of its client apart (RFC 7983) and takes the connection from the
/// first connectivity check to the exchange of RTCP, and to its end. RTP is not its business: it hands out the keys.
///
/// ```
///  new ── remote description, ──> checking ── both, and ──> connecting ── DTLS complete, ──> connected
///   │      or a valid check          │     a pair selected      │      fingerprint good          │
///   │                                │                          │                                │
///   └── close ──────────┬── no check, or no ────┬── DTLS failed, ┬──── consent expired, close ───┘
///                       │   nomination, for 30 s│   consent gone │
///                       └───────────────────────┴────────────────┴──> closed
/// ```
/// DTLS begins when the client's description is known and ICE has selected a pair. Until then up to `earlyLimit` DTLS datagrams
/// are kept, since a client may be faster than its own answer; retransmission repairs the rest. Whatever is not STUN counts
/// only from 5-tuples on which a check was valid.
///
/// Every event returns what is to be done, in order. Not Sendable: one owner, one thread at a time.
public final class Peer {
  public private(set) var state = PeerState.new
  /// The credentials that our side's latest description carries.
  public var localCredentials: ICECredentials { ice.local }
  /// See `ICEAgent.localUsernameFragments`.
  public var localUsernameFragments: [String] { ice.localUsernameFragments }
  /// The pair that ICE selected; nil before.
  public var selected: FiveTuple? { ice.selected }
  /// Whether the selected pair may have been left: see `ICEAgent.isSilent`.
  public func isSilent(now: Instant) -> Bool { ice.isSilent(now: now) }

  /// Whether a check was good on `tuple` lately, so that what comes there may be the client's.
  public func hasValidated(_ tuple: FiveTuple) -> Bool { tuple == ice.selected || validated.contains(tuple) }

  private let certificate: DTLSCertificate
  private var ice: ICEAgent
  private var validated = ValidatedTuples()
  private var remote: Remote?
  private var dtls: DTLSAssociation?
  private var early: [[UInt8]] = []
  private var srtcp: SRTCPSession?
  /// A renewed description brought other fingerprints than the handshake was made with.
  private var isIdentityChanged = false

  /// Datagrams of DTLS kept before it can begin. A ClientHello takes one or two.
  private static let earlyLimit = 4

  /// What the client's description says of its DTLS side.
  private struct Remote {
    var fingerprints: [(algorithm: String, value: String)]
    var localRole: DTLSRole

    /// Whether the same certificates are meant; order, case and repetition say nothing.
    func agrees(with other: Remote) -> Bool { Set(normalized) == Set(other.normalized) }

    private var normalized: [String] { fingerprints.map { "\($0.algorithm) \($0.value)".lowercased() } }
  }

  public init(local: ICECredentials, certificate: DTLSCertificate, now: Instant) {
    self.certificate = certificate
    ice = ICEAgent(local: local, now: now)
  }

  /// The client's description, first or renewed. New credentials are those of an ICE restart. `dtlsRole` is ours, and counts
  /// until the handshake begins; a description with other fingerprints after that ends the peer at the next event, since
  /// the client means another DTLS association (RFC 8842 section 5.5): make a new peer for it.
  public func setRemote(
    credentials: ICECredentials, fingerprints: [(algorithm: String, value: String)], dtlsRole: DTLSRole, now: Instant
  ) {
    guard state != .closed else { return }
    ice.setRemote(credentials)
    let new = Remote(fingerprints: fingerprints, localRole: dtlsRole)
    if let remote, dtls != nil {
      if !new.agrees(with: remote) { isIdentityChanged = true }
      return
    }
    remote = new
    if state == .new { state = .checking }
  }

  /// ICE restart with new credentials of ours; media and keys go on. The client's come with `setRemote`.
  public func restartICE(local: ICECredentials) { ice.restart(local: local) }

  /// A datagram came on `tuple`.
  public func received(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> [PeerOutput] {
    guard state != .closed else { return [Dropped.peerClosed] }
    let pending = advance(now)
    guard state != .closed else { return pending }
    switch DatagramKind(datagram) {
    case .stun: return pending + receivedSTUN(datagram, on: tuple, now: now)
    case .dtls: return pending + receivedDTLS(datagram, on: tuple, now: now)
    case .rtcp: return pending + receivedRTCP(datagram, on: tuple, now: now)
    case .rtp: return pending + [Dropped.rtp]
    case .turnChannel, .unknown: return pending + [Dropped.unknownKind]
    }
  }

  /// Time passed: call every 20 to 50 ms, once connected every second. `judges`: whether silence counts. It says nothing
  /// while what the client sent may still wait to be read.
  public func tick(now: Instant, judges: Bool = true) -> [PeerOutput] {
    guard state != .closed else { return [] }
    if judges, let expiry = ice.expired(now: now) { return [fail(.ice(expiry))] }
    let pending = advance(now)
    guard state != .closed, let dtls else { return pending }
    return pending + perform(dtls.timeout(now: now, givesUp: judges))
  }

  /// RTCP for the client, as one SRTCP datagram to the selected pair; nil unless connected, or for no packets.
  public func send(rtcp packets: [RTCPPacket]) -> PeerOutput? {
    guard state == .connected, let selected, let bytes = srtcp?.protect(RTCPPacket.encode(packets)) else { return nil }
    return .send(bytes, selected)
  }

  /// Ends the connection: close_notify if it was connected.
  public func close() -> [PeerOutput] {
    guard state != .closed else { return [] }
    let goodbye = dtls.map { perform($0.close()) } ?? []
    end()
    return goodbye
  }
}

// MARK: ICE

extension Peer {
  private func receivedSTUN(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> [PeerOutput] {
    switch ice.received(datagram, on: tuple, now: now) {
    case .dropped(let reason): return [Dropped.stun(reason)]
    case .refused(let response, let refusal): return [.send(response, tuple), .refused(reason: refusal.name)]
    case .respond(let response):
      checked(on: tuple)
      return [.send(response, tuple)]
    case .selected(let response, let pair):
      checked(on: tuple)
      let move: [PeerOutput] = state == .connected ? [.moved(pair)] : []
      return [.send(response, tuple)] + move + advance(now)
    }
  }

  private func checked(on tuple: FiveTuple) {
    validated.insert(tuple)
    if state == .new { state = .checking }
  }
}

// MARK: DTLS

extension Peer {
  /// Does what became possible or necessary since the last event: begins DTLS, or ends over a changed identity.
  private func advance(_ now: Instant) -> [PeerOutput] {
    if isIdentityChanged { return [fail(.dtls(.fingerprintMismatch))] }
    guard state == .checking, dtls == nil, let remote, ice.selected != nil else { return [] }
    let association: DTLSAssociation
    do {
      association = try DTLSAssociation(
        certificate: certificate, role: remote.localRole, acceptedFingerprints: remote.fingerprints, now: now)
    } catch {
      return [fail(.dtls(.protocolError("\(error)")))]
    }
    dtls = association
    state = .connecting
    var outputs = perform(association.start(now: now))
    for datagram in early { outputs += perform(association.received(datagram, now: now)) }
    early = []
    return outputs
  }

  private func receivedDTLS(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> [PeerOutput] {
    guard hasValidated(tuple) else { return [Dropped.unverifiedAddress] }
    if let dtls { return perform(dtls.received(datagram, now: now)) }
    guard early.count < Self.earlyLimit, datagram.count <= DTLSAssociation.longestDatagram else {
      return [Dropped.tooManyEarlyDatagrams]
    }
    early.append(datagram)
    return []
  }

  private func perform(_ outputs: [DTLSAssociation.Output]) -> [PeerOutput] {
    outputs.compactMap { output in
      switch output {
      case .send(let bytes): selected.map { .send(bytes, $0) }
      case .connected(_, let inbound, let outbound): connected(inbound: inbound, outbound: outbound)
      case .failed(let failure): fail(.dtls(failure))
      case .closed: closed()
      }
    }
  }

  private func connected(inbound: SRTPKeys, outbound: SRTPKeys) -> PeerOutput? {
    guard let selected else { return nil }  // DTLS began with a selected pair, and ICE never unselects
    do {
      srtcp = try SRTCPSession(inbound: inbound, outbound: outbound)
    } catch {
      return fail(.dtls(.protocolError("SRTCP: \(error)")))
    }
    state = .connected
    return .connected(selected, inbound: inbound, outbound: outbound)
  }

  private func closed() -> PeerOutput {
    end()
    return .closed
  }

  private func fail(_ failure: PeerFailure) -> PeerOutput {
    end()
    return .failed(failure)
  }

  /// Forgets the keys, too.
  private func end() {
    state = .closed
    srtcp = nil
    dtls = nil
    early = []
  }
}

// MARK: RTCP

extension Peer {
  private func receivedRTCP(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> [PeerOutput] {
    guard hasValidated(tuple) else { return [Dropped.unverifiedAddress] }
    guard let srtcp else { return [Dropped.rtcpBeforeKeys] }
    switch srtcp.unprotect(datagram) {
    case .failure(let error): return [Dropped.srtcp(error)]
    case .success(let bytes): return .rtcp(in: bytes, receivedAt: now)
    }
  }
}

extension [PeerOutput] {
  /// What could be read of a datagram of RTCP in clear. What could not is counted, once a datagram.
  public static func rtcp(in datagram: [UInt8], receivedAt now: Instant) -> [PeerOutput] {
    let compound = RTCPCompound(datagram)
    let read: [PeerOutput] = compound.packets.isEmpty ? [] : [.rtcp(compound.packets, receivedAt: now)]
    guard !compound.faults.isEmpty else { return read }
    return read + [read.isEmpty ? Dropped.malformedRTCP : Dropped.malformedRTCPPart]
  }
}
