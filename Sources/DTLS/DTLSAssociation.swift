import COpenSSL
import SRTP
import Wire

/// One DTLS-SRTP association (RFC 5764): agrees on SRTP keys with a peer whose certificate must have an announced fingerprint.
///
/// ```
///              start / first datagram            handshake complete, certificate accepted
///   idle ───────────────────────────> handshaking ──────────────────────────────────────> connected
///                                          │ alert, mismatch, no profile, 30 s      close_notify │ either side
///                                          └──────────────────> ended <───────────────────┘
/// ```
/// Every event returns what is to be done, in order. Time is an argument: see `DatagramChannel` for how OpenSSL is made to
/// follow it. Not Sendable: one owner, one thread at a time. Application data (data channels) is read and discarded.
public final class DTLSAssociation {
  public enum Output: Hashable, Sendable {
    /// Send this datagram to the peer.
    case send([UInt8])
    /// The keys: `inbound` opens what the peer sends, `outbound` seals what we send. Comes once.
    case connected(profile: SRTPProfile, inbound: SRTPKeys, outbound: SRTPKeys)
    /// Over. An alert to the peer, where one is due, was among the outputs before.
    case failed(DTLSFailure)
    /// Over: the peer sent close_notify.
    case closed
  }

  /// From the start of the handshake to `.failed(.timeout)`.
  public static let handshakeLimit = Interval.seconds(30)
  /// Longer datagrams are dropped. A whole flight of a WebRTC handshake takes about 1 kB.
  public static let longestDatagram = 8192
  /// UDP payload that our datagrams do not exceed, in bytes.
  public static let mtu = 1200

  private enum State: Hashable { case idle, handshaking, connected, ended }

  private let role: DTLSRole
  private let ssl: OpaquePointer
  private let channel = DatagramChannel()
  private let accepted: AcceptedFingerprints
  private var certificateCheck = CertificateCheck.pending
  private var state = State.idle
  private var handshakeDeadline: Instant?
  private var retransmission: Instant?

  private enum CertificateCheck { case pending, accepted, refused }

  /// `acceptedFingerprints`: the peer's `a=fingerprint` lines, e.g. ("sha-256", "AA:BB:…"). Sends nothing yet.
  public init(
    certificate: DTLSCertificate, role: DTLSRole, acceptedFingerprints: [(algorithm: String, value: String)],
    now: Instant
  ) throws(OpenSSLError) {
    OpenSSLErrorQueue.clear()
    self.role = role
    accepted = AcceptedFingerprints(acceptedFingerprints)
    ssl = try required(SSL_new(certificate.context.pointer), "SSL_new")
    try channel.attach(to: ssl)
    try require(SSL_ctrl(ssl, SSL_CTRL_SET_MTU, Self.mtu, nil), "MTU")
    // Not retained: this object frees `ssl` before it goes.
    try require(SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque()), "SSL_set_ex_data")
    DTLS_set_timer_cb(ssl) { ssl, previous in
      DTLSAssociation.of(ssl)?.channel.nextInterval(after: previous) ?? previous
    }
    if role == .client { SSL_set_connect_state(ssl) } else { SSL_set_accept_state(ssl) }
  }

  deinit { SSL_free(ssl) }

  /// When `timeout` wants to be called; nil: no need.
  public var nextTimeout: Instant? {
    guard state == .handshaking, let handshakeDeadline else { return nil }
    return min(retransmission ?? handshakeDeadline, handshakeDeadline)
  }

  /// Begins: the client sends its ClientHello, the server waits for one. A second call does nothing.
  public func start(now: Instant) -> [Output] {
    guard state == .idle else { return [] }
    begin(now)
    return role == .client ? progress(now) : []
  }

  /// A datagram came from the peer. One that is no valid DTLS is ignored.
  public func received(_ datagram: [UInt8], now: Instant) -> [Output] {
    guard state != .ended, !datagram.isEmpty, datagram.count <= Self.longestDatagram else { return [] }
    if state == .idle { begin(now) }
    channel.put(datagram)
    return progress(now)
  }

  /// Time passed: retransmits the last flight or gives up, when due. `givesUp`: not while what the peer sent may still wait to
  /// be read.
  public func timeout(now: Instant, givesUp: Bool = true) -> [Output] {
    guard state == .handshaking else { return [] }
    if givesUp, let handshakeDeadline, now >= handshakeDeadline { return [end(.failed(.timeout))] }
    guard let retransmission, now >= retransmission else { return [] }
    OpenSSLErrorQueue.clear()
    channel.expireTimer()
    let result = SSL_ctrl(ssl, DTLS_CTRL_HANDLE_TIMEOUT, 0, nil)
    if result < 0 { return flush(now) + [end(failure())] }
    if result == 0 { self.retransmission = now.advanced(by: .milliseconds(10)) }  // by the wall clock it is too early
    return flush(now)
  }

  /// Ends the association: close_notify, if the handshake was complete.
  public func close() -> [Output] {
    guard state != .ended else { return [] }
    defer { state = .ended }
    return state == .connected ? shutdown() : []
  }
}

extension DTLSAssociation {
  private func begin(_ now: Instant) {
    state = .handshaking
    handshakeDeadline = now.advanced(by: Self.handshakeLimit)
  }

  /// Lets OpenSSL read what came and write what it will.
  private func progress(_ now: Instant) -> [Output] {
    OpenSSLErrorQueue.clear()
    if state == .connected { return read(now) }
    let result = SSL_do_handshake(ssl)
    if result == 1 { return flush(now) + completed(now) }
    if SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ { return flush(now) }
    let failure = failure()
    return flush(now) + [end(failure)]
  }

  /// The handshake is complete; nothing was exported before this point.
  private func completed(_ now: Instant) -> [Output] {
    guard certificateCheck == .accepted, let peer = SSL_get0_peer_certificate(ssl), accepted.accepts(peer) else {
      return shutdown() + [end(.failed(.fingerprintMismatch))]
    }
    guard let profile = negotiatedProfile() else { return shutdown() + [end(.failed(.noProfile))] }
    guard let (inbound, outbound) = exportKeys(profile) else {
      let reason = OpenSSLErrorQueue.takeLast().map(OpenSSLErrorQueue.text) ?? "key export"
      return shutdown() + [end(.failed(.protocolError(reason)))]
    }
    state = .connected
    return [.connected(profile: profile, inbound: inbound, outbound: outbound)] + read(now)
  }

  /// After the handshake: answers retransmissions, notices alerts, discards application data.
  private func read(_ now: Instant) -> [Output] {
    var discarded = [UInt8](repeating: 0, count: Self.longestDatagram)
    var result: Int32
    repeat { result = SSL_read(ssl, &discarded, Int32(discarded.count)) } while result > 0
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return flush(now)
    case SSL_ERROR_ZERO_RETURN: return shutdown() + [end(.closed)]
    default:
      let failure = failure()
      return flush(now) + [end(failure)]
    }
  }

  private func shutdown() -> [Output] {
    OpenSSLErrorQueue.clear()
    SSL_shutdown(ssl)
    OpenSSLErrorQueue.clear()
    return channel.takeOutbound().map { .send($0) }
  }

  private func end(_ output: Output) -> Output {
    state = .ended
    return output
  }

  /// What OpenSSL wrote, as outputs; follows its timer.
  private func flush(_ now: Instant) -> [Output] {
    switch channel.takeTimer() {
    case .unchanged: break
    case .armed(let interval): retransmission = now.advanced(by: interval)
    case .stopped: retransmission = nil
    }
    return channel.takeOutbound().map { .send($0) }
  }

  private func failure() -> Output {
    let code = OpenSSLErrorQueue.takeLast()
    if certificateCheck == .refused { return .failed(.fingerprintMismatch) }
    guard let code else { return .failed(.protocolError("unexpected end")) }
    if let alert = OpenSSLErrorQueue.receivedAlert(code) { return .failed(.alert(alert)) }
    return .failed(.protocolError(OpenSSLErrorQueue.text(code)))
  }
}

extension DTLSAssociation {
  private static func of(_ ssl: OpaquePointer?) -> DTLSAssociation? {
    SSL_get_ex_data(ssl, 0).map { Unmanaged<DTLSAssociation>.fromOpaque($0).takeUnretainedValue() }
  }

  /// OpenSSL asks whether the certificate that the peer just showed is good: 1 or 0.
  static func verifyCertificate(in store: OpaquePointer?) -> Int32 {
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    guard let association = of(ssl.map { OpaquePointer($0) }) else { return 0 }
    let isAccepted = X509_STORE_CTX_get0_cert(store).map(association.accepted.accepts) ?? false
    association.certificateCheck = isAccepted ? .accepted : .refused
    X509_STORE_CTX_set_error(store, isAccepted ? X509_V_OK : X509_V_ERR_CERT_REJECTED)
    return isAccepted ? 1 : 0
  }

  private func negotiatedProfile() -> SRTPProfile? {
    SSL_get_selected_srtp_profile(ssl).flatMap { SRTPProfile(rawValue: UInt16(truncatingIfNeeded: $0.pointee.id)) }
  }

  /// RFC 5764 section 4.2: client key, server key, client salt, server salt.
  private func exportKeys(_ profile: SRTPProfile) -> (inbound: SRTPKeys, outbound: SRTPKeys)? {
    let label = "EXTRACTOR-dtls_srtp"
    var material = [UInt8](repeating: 0, count: 2 * (profile.keyLength + profile.saltLength))
    defer { OPENSSL_cleanse(&material, material.count) }
    guard SSL_export_keying_material(ssl, &material, material.count, label, label.utf8.count, nil, 0, 0) == 1 else {
      return nil
    }
    var reader = ByteReader(material)
    guard let clientKey = reader.take(profile.keyLength), let serverKey = reader.take(profile.keyLength),
      let clientSalt = reader.take(profile.saltLength), let serverSalt = reader.take(profile.saltLength),
      let client = SRTPKeys(profile: profile, masterKey: Array(clientKey), masterSalt: Array(clientSalt)),
      let server = SRTPKeys(profile: profile, masterKey: Array(serverKey), masterSalt: Array(serverSalt))
    else { return nil }
    return role == .client ? (inbound: server, outbound: client) : (inbound: client, outbound: server)
  }
}
