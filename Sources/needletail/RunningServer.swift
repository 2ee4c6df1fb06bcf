import DTLS
import FastPath
import Forwarding
import Foundation
import Logging
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
  private let parts: NIOLoopBound<Parts>
  private let configuration: ServerConfiguration
  private let log: Logger

  /// What lives on the event loop.
  private struct Parts {
    let control: ControlLoop
    let signalling: SignallingServer
    let admin: AdminServer
  }

  init(_ configuration: ServerConfiguration, log: Logger) throws {
    let certificate = try WebCertificate.load(configuration)
    if let certificate { log.info("\(certificate.note)") }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let eventLoop = group.next()
    let tokens = try SessionSecret.tokens(configuration, eventLoop: eventLoop, log: log)
    let inbox = EventInbox(eventLoop: eventLoop)
    let fastPath = try Self.startFastPath(configuration, inbox: inbox, log: log)
    do {
      (parts, port) = try Self.startParts(
        configuration, tls: certificate?.identity, tokens: tokens, fastPath: fastPath, inbox: inbox,
        eventLoop: eventLoop,
        log: log)
    } catch {
      fastPath.stop()
      throw error
    }
    self.configuration = configuration
    self.group = group
    self.fastPath = fastPath
    self.log = log
  }

  /// Reads the certificate anew, for the connections that come from now on. From a bad one nothing changes.
  func reloadCertificate() {
    do {
      guard let certificate = try WebCertificate.load(configuration) else {
        return log.notice("there is no certificate to read anew: this is plain HTTP")
      }
      group.next().execute { [parts] in parts.value.signalling.use(certificate.identity) }
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
    let parts = parts
    let closed = group.next().flatSubmit {
      parts.value.admin.stop()
      // WebSocket clients hear that the server stops before their peers end, so that they do not take it for a failure.
      let closed = parts.value.signalling.stop()
      parts.value.control.stop()
      return closed
    }
    try? closed.wait()
    fastPath.stop()
  }

  // MARK: Starting

  private static func startFastPath(
    _ configuration: ServerConfiguration, inbox: EventInbox, log: Logger
  ) throws -> FastPath {
    var options = FastPathConfiguration(
      mediaPort: UInt16(clamping: configuration.mediaPort),
      interfaces: configuration.interfaces.isEmpty ? nil : configuration.interfaces,
      lane: LaneChoice(rawValue: configuration.lane) ?? .auto, workerCPU: configuration.workerCPU)
    options.kernelLaneAvoidsXDP = configuration.kernelProgram == "tc"
    options.noteFolders = ["/run", configuration.runtimeFolder]
    return try FastPath(
      configuration: options,
      log: { level, message, metadata in
        log.log(level: Logger.Level(name: level), "\(message)", metadata: metadata.mapValues { "\($0)" })
      },
      events: { inbox.deliver($0) })
  }

  private static func startParts(
    _ configuration: ServerConfiguration, tls: TLSIdentity?, tokens: SessionTokens?, fastPath: FastPath,
    inbox: EventInbox, eventLoop: any EventLoop, log: Logger
  ) throws -> (NIOLoopBound<Parts>, port: Int) {
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
      iceServers: configuration.iceServers.compactMap { ICEServer($0) }, requiresTokens: tokens != nil)
    let listening = signallingConfiguration(configuration, tls: tls, tokens: tokens, log: log)
    return try eventLoop.flatSubmit {
      let sfu = SFU(configuration: limits, certificate: certificate, now: MonotonicClock.now())
      let control = ControlLoop(
        sfu: sfu, fastPath: fastPath, candidates: candidates, eventLoop: eventLoop, log: log)
      let signalling = SignallingServer(configuration: listening, eventLoop: eventLoop, control: control, log: log)
      control.signalling = signalling
      control.start(events: inbox)
      if let error = addRTP(configuration.rtpParticipants, to: control) { return eventLoop.makeFailedFuture(error) }
      let bound = NIOLoopBound((control, signalling), eventLoop: eventLoop)
      return signalling.start().flatMap { port in
        let admin = AdminServer(
          path: configuration.adminSocket, eventLoop: eventLoop, control: bound.value.0,
          server: serverInfo(configuration, port: port, mediaPort: fastPath.boundPort), tokens: tokens, log: log)
        let parts = NIOLoopBound(
          Parts(control: bound.value.0, signalling: bound.value.1, admin: admin), eventLoop: eventLoop)
        return admin.start().map { (parts, port) }
      }
    }.wait()
  }

  /// What is wrong with the first of them that cannot be, at its line.
  private static func addRTP(_ participants: [ConfiguredRTPParticipant], to control: ControlLoop) -> ConfigurationError?
  {
    for configured in participants {
      guard case .refused(let error) = control.add(configured.participant) else { continue }
      return configured.error(error)
    }
    return nil
  }

  private static func signallingConfiguration(
    _ configuration: ServerConfiguration, tls: TLSIdentity?, tokens: SessionTokens?, log: Logger
  ) -> SignallingConfiguration {
    var limits = SignallingLimits()
    limits.connections = configuration.maximumConnections
    limits.messageBytes = configuration.maximumMessageBytes
    limits.bodyBytes = configuration.maximumBodyBytes
    limits.messagesPerSecond = configuration.maximumMessagesPerSecond
    limits.messageBurst = configuration.maximumMessagesPerSecond * 4
    limits.unsentBytes = configuration.maximumUnsentBytes
    let web = WebFolder.find(configuration.web)
    if web == nil { log.warning("no web folder: GET / serves nothing", metadata: ["key": "web"]) }
    return SignallingConfiguration(
      address: configuration.address, port: configuration.port, tls: tls, webFolder: web, tokens: tokens, limits: limits
    )
  }

  private static func serverInfo(_ configuration: ServerConfiguration, port: Int, mediaPort: UInt16) -> AdminServerInfo
  {
    AdminServerInfo(
      version: Needletail.version, startedAt: Date(), url: StartupNotes.urls(configuration, port: port).first ?? "",
      mediaPort: Int(mediaPort), authentication: configuration.auth)
  }
}
