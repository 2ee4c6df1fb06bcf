import DTLS
import Forwarding
import Foundation
import ICE
import RTP
import SDP
import SFU
import SRTP
import STUN
import Testing
import Wire

/// An SFU with its clients. The test owns the clock; every command is kept, and datagrams reach the client that owns the
/// 5-tuple.
final class World {
  static let certificates: [DTLSCertificate] = (0..<2).compactMap { _ in try? DTLSCertificate.generate() }
  static var server: DTLSCertificate { get throws { try #require(certificates.first) } }
  static var browser: DTLSCertificate { get throws { try #require(certificates.last) } }

  var now = Instant(nanoseconds: 1_000_000_000)
  var sfu: SFU
  /// All commands since the last `takeCommands`.
  private(set) var commands: [SFUCommand] = []
  private var ends: [FiveTuple: BrowserPeer] = [:]
  private var lastPort: UInt16 = 40_000
  private var lastID: UInt64 = 0

  init(
    rooms: Int = 10, participants: Int = 10, tracks: Int = 16, rateLimit: RateLimit = RateLimit(),
    iceServers: [ICEServer] = [], requiresTokens: Bool = false
  ) throws {
    let configuration = SFUConfiguration(
      candidates: [SocketAddress(.v4(0x0a00_0001), 3478)], maximumRooms: rooms,
      maximumParticipantsPerRoom: participants, maximumTracksPerParticipant: tracks, rateLimit: rateLimit,
      iceServers: iceServers,
      requiresTokens: requiresTokens)
    sfu = SFU(configuration: configuration, certificate: try World.server, now: now)
  }

  func nextID() -> UInt64 {
    lastID += 1
    return lastID
  }

  func newTuple() -> FiveTuple {
    lastPort += 1
    return FiveTuple(local: SocketAddress(.v4(0x0a00_0001), 3478), remote: SocketAddress(.v4(0xc000_0207), lastPort))
  }

  func own(_ tuple: FiveTuple, _ peer: BrowserPeer) { ends[tuple] = peer }

  @discardableResult func handle(_ input: SFUInput) -> [SFUCommand] { take(sfu.handle(input, now: now)) }

  @discardableResult func take(_ new: [SFUCommand]) -> [SFUCommand] {
    commands += new
    for case .send(let bytes, let tuple) in new { ends[tuple]?.received(bytes) }
    return new
  }

  /// Time passes, tick by tick.
  func advance(_ interval: Interval) {
    let end = now.advanced(by: interval)
    while now < end {
      now = min(end, now.advanced(by: .milliseconds(25)))
      handle(.tick)
    }
  }

  func takeCommands() -> [SFUCommand] {
    defer { commands = [] }
    return commands
  }

  var routes: [FastPathCommand] { commands.compactMap { if case .fastPath(let route) = $0 { route } else { nil } } }

  func messages(to connection: ConnectionID) -> [ServerMessage] {
    commands.compactMap { if case .message(connection, let message) = $0 { message } else { nil } }
  }
}

extension FastPathCommand {
  /// It routes nothing.
  var isExpectation: Bool { if case .expect = self { true } else { false } }
}

extension [FastPathCommand] {
  var transports: [Transport] { compactMap { if case .addTransport(let transport) = $0 { transport } else { nil } } }
  var sources: [Source] { compactMap { if case .addSource(let source) = $0 { source } else { nil } } }
  var sinks: [Sink] { compactMap { if case .addSink(let sink) = $0 { sink } else { nil } } }
  var removedTransports: [TransportID] { compactMap { if case .removeTransport(let id) = $0 { id } else { nil } } }
  var removedSinks: [SinkID] { compactMap { if case .removeSink(let id) = $0 { id } else { nil } } }
}

/// The browser's end of one peer: STUN checks, DTLS, SRTCP.
final class BrowserPeer {
  let world: World
  let credentials = ICECredentials(usernameFragment: "brow", password: "browserbrowserbrowser123")
  private(set) var tuple: FiveTuple
  private let dtls: DTLSAssociation
  private var srtcp: SRTCPSession?
  private var outbox: [[UInt8]] = []
  /// RTCP that arrived, opened.
  var rtcp: [RTCPPacket] = []
  /// Whether the server said that it is over: close_notify.
  private(set) var isClosed = false

  init(in world: World) throws {
    self.world = world
    tuple = world.newTuple()
    dtls = try DTLSAssociation(
      certificate: World.browser, role: .client, acceptedFingerprints: [("sha-256", World.server.fingerprint)],
      now: world.now)
    world.own(tuple, self)
  }

  /// A nominating check with the server's credentials as `sdp` has them, then DTLS.
  func connect(by sdp: String) throws {
    try check(by: sdp)
    beginDTLS()
  }

  func beginDTLS() {
    perform(dtls.start(now: world.now))
    deliver()
  }

  func check(
    by sdp: String, nominate: Bool = true, password: String? = nil,
    role: ConnectivityCheck.Role = .controlling(tieBreaker: 7), from forged: FiveTuple? = nil,
    fragment: String? = nil
  ) throws {
    let description = try SessionDescription.parse(sdp)
    let section = try #require(description.media.first { $0.iceUfrag != nil })
    let username = "\(try #require(section.iceUfrag)):\(fragment ?? credentials.usernameFragment)"
    let check = ConnectivityCheck(
      username: username, password: try password ?? #require(section.icePwd), priority: 1, role: role,
      useCandidate: nominate)
    send(check.encode(transactionID: .random()), from: forged)
  }

  func roam() {
    tuple = world.newTuple()
    world.own(tuple, self)
  }

  func send(_ datagram: [UInt8], from forged: FiveTuple? = nil) {
    world.handle(.fastPath(.datagram(bytes: datagram, tuple: forged ?? tuple, receivedAt: world.now)))
  }

  func send(_ packets: [RTCPPacket], from other: FiveTuple? = nil) {
    if let bytes = srtcp?.protect(RTCPPacket.encode(packets)) { send(bytes, from: other) }
  }

  func received(_ bytes: [UInt8]) {
    switch DatagramKind(bytes) {
    case .dtls:
      perform(dtls.received(bytes, now: world.now))
      deliver()
    case .rtcp:
      if case .success(let plain)? = srtcp?.unprotect(bytes), let packets = try? RTCPPacket.decode(compound: plain) {
        rtcp += packets
      }
    default: break
    }
  }

  private var isDelivering = false

  private func deliver() {
    guard !isDelivering else { return }
    isDelivering = true
    defer { isDelivering = false }
    while !outbox.isEmpty { send(outbox.removeFirst()) }
  }

  private func perform(_ outputs: [DTLSAssociation.Output]) {
    for output in outputs {
      switch output {
      case .send(let bytes): outbox.append(bytes)
      case .connected(_, let inbound, let outbound): srtcp = try? SRTCPSession(inbound: inbound, outbound: outbound)
      case .closed: isClosed = true
      case .failed: break
      }
    }
  }
}
