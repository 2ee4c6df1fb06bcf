import DTLS
import FastPath
import Forwarding
import Foundation
import Logging
import Logs
import NIOCore
import NIOPosix
import SFU
import Signalling
import Wire

/// The parts of the server, started in order and stopped in the opposite one.
final class RunningServer: Sendable {
  /// TCP port of HTTP(S).
  let port: Int
  private let group: MultiThreadedEventLoopGroup
  private let fastPath: FastPath
  private let listeners: NIOLoopBound<Listeners>
  private let control: NIOLoopBound<ControlLoop>
  private let configuration: ServerConfiguration
  private let log: Logger

  /// What clients and operators connect to.
  private struct Listeners {
    let signalling: SignallingServer
    let admin: AdminServer
    let turns: LoopTurns

    func stop() -> EventLoopFuture<Void> {
      admin.stop()
      return signalling.stop()
    }
  }

  /// `losses`: what the log did not take.
  init(_ configuration: ServerConfiguration, log: Logger, losses: @escaping @Sendable () -> LogLosses) throws {
    let certificate = try WebCertificate.load(configuration)
    if let certificate { log.info("\(certificate.note)") }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let eventLoop = group.next()
    let tokens = SessionSecret.tokens(configuration, log: log)
    // The fast path takes a second and touches every interface: not for a port that is taken. Whoever connects waits.
    let (listeners, port) = try Self.listen(
      configuration, tls: certificate?.identity, tokens: tokens, losses: losses, eventLoop: eventLoop, log: log)
    do {
      (fastPath, control) = try Self.start(
        listeners, port: port, configuration, tokens: tokens, eventLoop: eventLoop, log: log)
    } catch {
      try? eventLoop.flatSubmit { listeners.value.stop() }.wait()
      throw error
    }
    self.listeners = listeners
    self.port = port
    self.configuration = configuration
    self.group = group
    self.log = log
  }

  /// Reads the certificate anew, for the connections that come from now on. From a bad one nothing changes.
  func reloadCertificate() {
    do {
      guard let certificate = try WebCertificate.load(configuration) else {
        return log.notice("there is no certificate to read anew: this is plain HTTP")
      }
      group.next().execute { [listeners] in listeners.value.signalling.use(certificate.identity) }
      if let warning = certificate.expiryWarning { log.warning("\(warning)") }
      log.notice(
        "certificate read anew",
        metadata: ["from": "\(certificate.note)", "expires": "\(certificate.identity.expiry.formatted(.iso8601))"])
    } catch {
      log.error("certificate not read anew: the one in use stays", metadata: ["reason": "\(error)"])
    }
  }

  /// Says goodbye to every client, detaches the fast path and removes the admin socket. The event loop ends with the
  /// process.
  func stop() {
    let closed = group.next().flatSubmit { [listeners, control] in
      // WebSocket clients hear that the server stops before their peers end, so that they do not take it for a failure.
      let closed = listeners.value.stop()
      control.value.stop()
      return closed
    }
    try? closed.wait()
    fastPath.stop()
  }

  // MARK: Starting

  /// The admin socket comes last: it leaves a file.
  private static func listen(
    _ configuration: ServerConfiguration, tls: TLSIdentity?, tokens: SessionTokens?,
    losses: @escaping @Sendable () -> LogLosses, eventLoop: any EventLoop, log: Logger
  ) throws -> (NIOLoopBound<Listeners>, port: Int) {
    var listening = signallingConfiguration(configuration, tls: tls, tokens: tokens, log: log)
    listening.logLosses = losses
    listening.origins = origins(configuration)
    return try eventLoop.flatSubmit {
      let turns = LoopTurns(log: log)
      let listeners = NIOLoopBound(
        Listeners(
          signalling: SignallingServer(configuration: listening, eventLoop: eventLoop, log: log, turns: turns),
          admin: AdminServer(path: configuration.adminSocket, eventLoop: eventLoop, log: log, turns: turns),
          turns: turns),
        eventLoop: eventLoop)
      return listeners.value.signalling.listen().flatMap { port in
        listeners.value.admin.listen().map { (listeners, port) }
      }
    }.wait()
  }

  private static func start(
    _ listeners: NIOLoopBound<Listeners>, port: Int, _ configuration: ServerConfiguration, tokens: SessionTokens?,
    eventLoop: any EventLoop, log: Logger
  ) throws -> (FastPath, NIOLoopBound<ControlLoop>) {
    let inbox = EventInbox(eventLoop: eventLoop)
    let fastPath = try startFastPath(configuration, inbox: inbox, log: log)
    do {
      let control = try startControl(
        configuration, fastPath: fastPath, inbox: inbox, requiresTokens: tokens != nil, listeners, eventLoop: eventLoop,
        log: log)
      let info = serverInfo(configuration, port: port, mediaPort: fastPath.boundPort)
      try eventLoop.submit {
        listeners.value.signalling.start(control.value)
        listeners.value.admin.start(control.value, server: info, tokens: tokens)
      }.wait()
      return (fastPath, control)
    } catch {
      fastPath.stop()
      throw error
    }
  }

  private static func startFastPath(
    _ configuration: ServerConfiguration, inbox: EventInbox, log: Logger
  ) throws -> FastPath {
    var options = FastPathConfiguration(
      mediaPort: UInt16(clamping: configuration.mediaPort),
      interfaces: configuration.interfaces.isEmpty ? nil : configuration.interfaces,
      lane: LaneChoice(rawValue: configuration.lane) ?? .auto, workerCPU: configuration.workerCPU)
    for named in configuration.interfaceLanes.compactMap({ InterfaceLane($0) }) {
      options.interfaceLanes[named.interface] = named.lane
    }
    options.limits.cacheMemory = configuration.cacheMemory << 20
    // Each track's media and retransmissions, and as many again while tracks are replaced.
    options.limits.streamsPerTransport = max(options.limits.streamsPerTransport, configuration.maximumTracks * 4)
    options.kernelLaneAvoidsXDP = configuration.kernelProgram == "tc"
    options.noteFolders = ["/run", configuration.runtimeFolder]
    return try FastPath(
      configuration: options,
      log: { level, message, metadata in
        log.log(level: Logger.Level(name: level), "\(message)", metadata: metadata.mapValues { "\($0)" })
      },
      events: { inbox.deliver($0) })
  }

  private static func startControl(
    _ configuration: ServerConfiguration, fastPath: FastPath, inbox: EventInbox, requiresTokens: Bool,
    _ listeners: NIOLoopBound<Listeners>, eventLoop: any EventLoop, log: Logger
  ) throws -> NIOLoopBound<ControlLoop> {
    let certificate = try DTLSCertificate.generate(commonName: "needletail")
    let candidates = { @Sendable () throws in
      Candidates.choose(configuration, local: try fastPath.localAddresses(), port: fastPath.boundPort)
    }
    let limits = SFUConfiguration(
      candidates: [], maximumRooms: configuration.maximumRooms,
      maximumParticipantsPerRoom: configuration.maximumParticipants,
      maximumTracksPerParticipant: configuration.maximumTracks,
      rateLimit: RateLimit(
        packetsPerSecond: UInt32(clamping: configuration.maximumPacketsPerSecond),
        bytesPerSecond: UInt32(clamping: configuration.maximumBytesPerSecond)),
      iceServers: configuration.iceServers.compactMap { ICEServer($0) }, requiresTokens: requiresTokens)
    return try eventLoop.submit {
      let sfu = SFU(configuration: limits, certificate: certificate, now: MonotonicClock.now())
      let control = ControlLoop(
        sfu: sfu, fastPath: fastPath, candidates: candidates, eventLoop: eventLoop, turns: listeners.value.turns,
        log: log)
      control.signalling = listeners.value.signalling
      control.start(events: inbox)
      try addRTP(configuration.rtpParticipants, to: control)
      return NIOLoopBound(control, eventLoop: eventLoop)
    }.wait()
  }

  /// Throws what is wrong with the first of them that cannot be, at its line.
  private static func addRTP(
    _ participants: [ConfiguredRTPParticipant], to control: ControlLoop
  ) throws(ConfigurationError) {
    for configured in participants {
      guard case .refused(let error) = control.add(configured.participant) else { continue }
      throw configured.error(error)
    }
  }

  private static func signallingConfiguration(
    _ configuration: ServerConfiguration, tls: TLSIdentity?, tokens: SessionTokens?, log: Logger
  ) -> SignallingConfiguration {
    var limits = SignallingLimits()
    limits.connections = configuration.maximumConnections
    limits.connectionsPerAddress =
      configuration.maximumConnectionsPerAddress ?? max(1, configuration.maximumConnections / 4)
    limits.messageBytes = configuration.maximumMessageBytes
    limits.bodyBytes = configuration.maximumBodyBytes
    limits.messagesPerSecond = configuration.maximumMessagesPerSecond
    limits.messageBurst = configuration.maximumMessagesPerSecond * 4
    limits.unsentBytes = configuration.maximumUnsentBytes
    let web = WebFolder.find(configuration.web)
    if web == nil { log.warning("no web folder: GET / serves nothing", metadata: ["key": "web"]) }
    return SignallingConfiguration(
      address: configuration.address, port: configuration.port, tls: tls, webFolder: web,
      publicURL: configuration.publicURL ?? "", tokens: tokens, limits: limits
    )
  }

  /// Where nobody needs a token, a page that somebody happens to open must not join in his name.
  private static func origins(_ configuration: ServerConfiguration) -> OriginRule {
    let named = Set(configuration.allowedOrigins.map { $0.lowercased() })
    if named.contains("*") || (named.isEmpty && configuration.auth != "none") { return .any }
    return .own(and: named.union(configuration.publicURL.flatMap { OriginRule.origin(of: $0) }.map { [$0] } ?? []))
  }

  private static func serverInfo(_ configuration: ServerConfiguration, port: Int, mediaPort: UInt16) -> AdminServerInfo
  {
    AdminServerInfo(
      version: Needletail.version, startedAt: Date(), url: StartupNotes.urls(configuration, port: port).first ?? "",
      mediaPort: Int(mediaPort), authentication: configuration.auth)
  }
}
