import DTLS
import ICE
import Peer
import RTP
import SRTP
import STUN
import Wire

/// A peer and a browser: checks by STUN, a DTLS association, SRTCP. The test owns the clock and says what is delivered.
final class Call {
  static let certificates: [DTLSCertificate] = (0..<2).compactMap { _ in try? DTLSCertificate.generate() }
  static let wrongFingerprint = Array(repeating: "AB", count: 32).joined(separator: ":")

  static let home = tuple("192.0.2.7:50000")
  static let elsewhere = tuple("198.51.100.9:60000")
  static let stranger = tuple("203.0.113.66:7777")

  static func tuple(_ remote: String) -> FiveTuple {
    let local = SocketAddress(.v4(0x0a00_0001), 3478)
    return FiveTuple(local: local, remote: SocketAddress(remote) ?? local)
  }

  var now = Instant(nanoseconds: 5_000_000_000)
  let peer: Peer
  let peerRole: DTLSRole
  /// The browser's side.
  let credentials = ICECredentials(usernameFragment: "brow", password: "browserbrowserbrowser123")
  var browser: DTLSAssociation
  var browserSRTCP: SRTCPSession?
  var browserEnded: DTLSAssociation.Output?
  /// Where the browser sends from.
  var from = home
  /// What the peer sent to the browser and to whom, and what else it put out.
  var sent: [(bytes: [UInt8], tuple: FiveTuple)] = []
  var events: [PeerOutput] = []
  /// Datagrams of the browser that the network has not delivered yet.
  var outbox: [[UInt8]] = []

  struct NoCertificate: Error {}

  init(peerRole: DTLSRole = .server, browserAccepts: String? = nil) throws {
    guard let ours = Call.certificates.first, let theirs = Call.certificates.last else { throw NoCertificate() }
    self.peerRole = peerRole
    let local = ICECredentials(usernameFragment: "serv", password: "serverserverserverserver")
    peer = Peer(local: local, certificate: ours, now: now)
    browser = try DTLSAssociation(
      certificate: theirs, role: peerRole == .server ? .client : .server,
      acceptedFingerprints: [("sha-256", browserAccepts ?? ours.fingerprint)], now: now)
  }

  var browserFingerprint: String { Call.certificates.last?.fingerprint ?? "" }

  func setRemote(credentials: ICECredentials? = nil, fingerprint: String? = nil) {
    peer.setRemote(
      credentials: credentials ?? self.credentials, fingerprints: [("sha-256", fingerprint ?? browserFingerprint)],
      dtlsRole: peerRole, now: now)
  }

  /// A check of the browser; returns the events it caused besides datagrams.
  @discardableResult func check(
    on tuple: FiveTuple? = nil, nominate: Bool = true, local: ICECredentials? = nil, remote: ICECredentials? = nil,
    password: String? = nil, role: ConnectivityCheck.Role = .controlling(tieBreaker: 9)
  ) -> [PeerOutput] {
    let local = local ?? peer.localCredentials
    let check = ConnectivityCheck(
      username: "\(local.usernameFragment):\((remote ?? credentials).usernameFragment)",
      password: password ?? local.password,
      role: role, useCandidate: nominate)
    return take(peer.received(check.encode(transactionID: .random()), on: tuple ?? from, now: now))
  }

  /// The browser begins DTLS, if it is the client, and both sides talk until they have nothing to say.
  func handshake() {
    perform(browser.start(now: now))
    exchange()
  }

  func exchange() {
    var budget = 100
    while !outbox.isEmpty, budget > 0 {
      budget -= 1
      take(peer.received(outbox.removeFirst(), on: from, now: now))
    }
  }

  func connect() {
    setRemote()
    check()
    handshake()
  }

  func advance(_ interval: Interval) {
    now = now.advanced(by: interval)
    take(peer.tick(now: now))
    perform(browser.timeout(now: now))
  }

  /// Records what the peer put out; datagrams of DTLS reach the browser.
  @discardableResult func take(_ outputs: [PeerOutput]) -> [PeerOutput] {
    var happened: [PeerOutput] = []
    for output in outputs {
      guard case .send(let bytes, let tuple) = output else {
        happened.append(output)
        continue
      }
      sent.append((bytes, tuple))
      if tuple == from, DatagramKind(bytes) == .dtls { perform(browser.received(bytes, now: now)) }
    }
    events += happened
    return happened
  }

  func perform(_ outputs: [DTLSAssociation.Output]) {
    for output in outputs {
      switch output {
      case .send(let bytes): outbox.append(bytes)
      case .connected(_, let inbound, let outbound):
        browserSRTCP = try? SRTCPSession(inbound: inbound, outbound: outbound)
      case .failed, .closed: browserEnded = output
      }
    }
  }

  func protect(_ packets: [RTCPPacket]) -> [UInt8] { browserSRTCP?.protect(RTCPPacket.encode(packets)) ?? [] }

  var connections: Int {
    events.count { if case .connected = $0 { true } else { false } }
  }
}
