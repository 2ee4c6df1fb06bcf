import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import SFU

/// The public HTTP(S) server: static files, WebSocket signalling, WHIP and WHEP, metrics and health. It translates
/// between the network and `CallControl` and decides nothing about calls.
///
/// Everything happens on one event loop, the one that `CallControl` lives on; make and use it there.
public final class SignallingServer: HTTPService {
  /// Set before the first connection is accepted.
  private(set) weak var control: (any CallControl)?
  let limits: SignallingLimits

  private let configuration: SignallingConfiguration
  private let eventLoop: any EventLoop
  private let log: Logger
  private let files: StaticFiles?
  private let endpoint: SessionEndpoint
  private var tls: TLSIdentity?
  private var listener: (any Channel)?
  private var channels: [ObjectIdentifier: any Channel] = [:]
  private var connections: [ConnectionID: WebSocketConnection] = [:]
  private var requests: [RequestID: (ResourceResponse) -> Void] = [:]
  /// The message delivered last, with its text.
  private var latest: (message: ServerMessage, text: ByteBuffer)?
  private var latestMetrics: (reply: HTTPReply, madeAt: NIODeadline)?
  private var lastConnection: UInt64 = 0
  private var lastRequest: UInt64 = 0

  public init(configuration: SignallingConfiguration, eventLoop: any EventLoop, log: Logger) {
    eventLoop.preconditionInEventLoop()
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.log = log
    limits = configuration.limits
    tls = configuration.tls
    files = configuration.webFolder.flatMap { StaticFiles(folder: $0) }
    endpoint = SessionEndpoint(tokens: configuration.tokens, log: log)
  }

  // MARK: Life

  /// Starts to listen; whoever connects waits for `start`. The future gives the port, or fails with what is wrong with
  /// the address.
  public func listen() -> EventLoopFuture<Int> {
    let server = NIOLoopBound(self, eventLoop: eventLoop)
    let (address, port) = (configuration.address, configuration.port)
    let bootstrap = ServerBootstrap(group: eventLoop)
      .pausesWithoutDescriptors(log)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.autoRead, value: false)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try server.value.accepted(channel) }
      }
    return bootstrap.bind(host: address, port: port).assumeIsolated().flatMapError { error in
      // Every address, on a host without IPv6.
      guard address == "::", [EAFNOSUPPORT, EADDRNOTAVAIL].contains((error as? IOError)?.errnoCode) else {
        return self.eventLoop.makeFailedFuture(ListenError(address: address, port: port, cause: error))
      }
      return bootstrap.bind(host: "0.0.0.0", port: port)
    }.map { channel in
      self.listener = channel
      return channel.localAddress?.port ?? port
    }.nonisolated()
  }

  /// Accepts connections, and has `control` decide what they ask for.
  public func start(_ control: any CallControl) {
    self.control = control
    _ = listener?.setOption(.autoRead, value: true)
  }

  /// Shows this certificate to the connections that come from now on.
  public func use(_ identity: TLSIdentity) { tls = identity }

  /// Stops to listen, tells every client and closes its connection. Done when all are closed, or after a second and a
  /// half: a client that does not answer TLS's goodbye holds nothing up.
  public func stop() -> EventLoopFuture<Void> {
    listener?.close(promise: nil)
    listener = nil
    let open = Array(channels.values)
    for connection in connections.values { connection.closeForShutdown() }
    for channel in open where !connections.values.contains(where: { $0.isOn(channel) }) { channel.close(promise: nil) }
    eventLoop.scheduleTask(in: .seconds(1)) { for channel in open { channel.close(promise: nil) } }
    let done = eventLoop.makePromise(of: Void.self)
    let timer = eventLoop.scheduleTask(in: .milliseconds(1500)) { done.succeed() }
    EventLoopFuture.andAllComplete(open.map(\.closeFuture), on: eventLoop).whenComplete { _ in
      // If the timer was first, this changes nothing.
      timer.cancel()
      done.succeed()
    }
    return done.futureResult
  }

  // MARK: Connections

  private func accepted(_ channel: any Channel) throws {
    track(channel)
    let refusal = refusal()
    // Some more are answered with a refusal; beyond that not even a TLS handshake is worth it.
    guard channels.count <= limits.connections + Self.refusedAtOnce else {
      log.warning("connection refused", metadata: ["limit": "\(limits.connections) (max-connections)"])
      throw TooManyConnections()
    }
    let pipeline = channel.pipeline.syncOperations
    if let tls { try pipeline.addHandlers(PlainHTTPNotice(), NIOSSLServerHandler(context: tls.context)) }
    let http = HTTPConnection(service: self, refusal: refusal)
    try pipeline.configureHTTPServerPipeline(
      withServerUpgrade: webSocketUpgrade(replacing: http), withErrorHandling: false,
      withEncoderConfiguration: .init(), withDecoderLimitConfiguration: Self.headerLimits)
    try pipeline.addHandler(http)
  }

  private static let refusedAtOnce = 64

  private struct TooManyConnections: Error {}

  private static let headerLimits: NIOHTTPDecoderLimitConfiguration = {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = 16 << 10
    limits.maxHeaderListSize = 64 << 10
    limits.maxHeaderFieldCount = 100
    return limits
  }()

  private func track(_ channel: any Channel) {
    let key = ObjectIdentifier(channel)
    channels[key] = channel
    channel.closeFuture.assumeIsolated().whenComplete { [weak self] _ in self?.channels[key] = nil }
  }

  private func webSocketUpgrade(replacing http: HTTPConnection) -> NIOHTTPServerUpgradeSendableConfiguration {
    let server = NIOLoopBound(self, eventLoop: eventLoop)
    let http = NIOLoopBound(http, eventLoop: eventLoop)
    let upgrader = NIOWebSocketServerUpgrader(
      maxFrameSize: min(limits.messageBytes * 4, Int(UInt32.max)), automaticErrorHandling: false,
      shouldUpgrade: { channel, head in
        let isForUs = head.method == .GET && HTTPRequest(method: .GET, target: head.uri).path == "/ws"
        let admits =
          isForUs && head.namesOneHost && WebSocketHandshake.hasKey(head.headers) && server.value.refusal() == nil
        return channel.eventLoop.makeSucceededFuture(admits ? [:] : nil)
      },
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture { try server.value.upgraded(channel) }
      })
    return (
      upgraders: [upgrader],
      completionHandler: { context in context.pipeline.syncOperations.removeHandler(http.value, promise: nil) }
    )
  }

  private func upgraded(_ channel: any Channel) throws {
    lastConnection += 1
    var log = log
    log[metadataKey: "connection"] = "\(lastConnection)"
    log[metadataKey: "client"] = "\(channel.remoteAddress?.client ?? "unknown")"
    let connection = WebSocketConnection(id: ConnectionID(rawValue: lastConnection), server: self, log: log)
    let pipeline = channel.pipeline.syncOperations
    let decoder = try pipeline.handler(type: ByteToMessageHandler<WebSocketFrameDecoder>.self)
    try pipeline.addHandler(JoinAllowance(of: connection), position: .before(decoder))
    try pipeline.addHandler(connection)
    connections[connection.id] = connection
    log.info("WebSocket opened")
  }

  /// The connection's channel is gone.
  func ended(_ connection: WebSocketConnection) {
    guard connections.removeValue(forKey: connection.id) != nil else { return }
    control?.handle(.disconnected(connection.id))
  }

  /// What the token of a `join` grants.
  func grants(for token: String?) throws(TokenError) -> Grants {
    guard let tokens = configuration.tokens else { return .everything }
    return try tokens.verify(token, now: Date())
  }

  // MARK: What the control loop asks for

  /// Sends to a WebSocket client; nothing if it is gone.
  public func deliver(_ message: ServerMessage, to connection: ConnectionID) {
    // News goes to everyone in a room, one connection after the other: it is encoded once.
    if latest?.message != message { latest = (message, ByteBuffer(bytes: message.encoded())) }
    guard let text = latest?.text else { return }
    connections[connection]?.deliver(message, text)
  }

  /// Closes a WebSocket after what was delivered before.
  public func close(_ connection: ConnectionID, reason: ErrorCode) { connections[connection]?.close(reason) }

  /// Answers a WHIP or WHEP request; nothing if its client is gone.
  public func respond(_ request: RequestID, _ response: ResourceResponse) {
    requests.removeValue(forKey: request)?(response)
  }

  // MARK: HTTP

  func refusal() -> HTTPReply? {
    guard channels.count > limits.connections else { return nil }
    return .problem(
      .serviceUnavailable, .limitExceeded,
      "this server has its limit of \(limits.connections) connections (max-connections)")
  }

  func headers(for target: String) -> HTTPHeaders {
    guard let route = try? Route(HTTPRequest(method: .GET, target: target)), !route.isCrossOrigin else {
      return Self.crossOriginHeaders
    }
    return [:]
  }

  /// For pages of other origins.
  private static let crossOriginHeaders: HTTPHeaders = [
    "access-control-allow-origin": "*",
    "access-control-expose-headers":
      "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate",
  ]

  func respond(to request: HTTPRequest, reply: @escaping (HTTPReply) -> Void) {
    let route: Route
    do throws(Route.Failure) { route = try Route(request) } catch { return reply(self.reply(to: error, request)) }
    guard route.methods.contains(request.method) else {
      let allowed = route.methods.map(\.rawValue).joined(separator: ", ")
      let detail = "\(request.method.rawValue) is not for this resource; it takes \(allowed)"
      return reply(.problem(.methodNotAllowed, code: "method-not-allowed", detail, headers: ["allow": allowed]))
    }
    switch route {
    case .endpoint, .resource: ask(request, route, reply)
    default: reply(response(to: request, route))
    }
  }

  private func response(to request: HTTPRequest, _ route: Route) -> HTTPReply {
    switch route {
    case .health: return .text(.ok, "ok\n")
    case .readiness: return readiness()
    case .metrics: return recentMetrics(now: .now())
    case .file(let segments):
      return files?.reply(to: request, segments: segments)
        ?? .problem(.notFound, .notFound, "this server has no web folder (web)")
    case .webSocket: return WebSocketHandshake.refusal(request.headers)
    // What one resource or another takes (RFC 9110 section 9.3.7).
    case .server: return HTTPReply(.noContent, headers: ["allow": "GET, HEAD, POST, PATCH, DELETE, OPTIONS"])
    case .endpoint, .resource: return .problem(.notFound, .notFound, "there is nothing here")
    }
  }

  private func readiness() -> HTTPReply {
    guard let control, !control.isDraining else {
      return .problem(.serviceUnavailable, .draining, "this server is draining and takes no new participants")
    }
    return .text(.ok, "ready\n")
  }

  /// Made anew once a second at most.
  private func recentMetrics(now: NIODeadline) -> HTTPReply {
    if let latestMetrics, now - latestMetrics.madeAt < .seconds(1) { return latestMetrics.reply }
    let reply = metrics()
    latestMetrics = (reply, now)
    return reply
  }

  private func metrics() -> HTTPReply {
    guard let control else { return .problem(.serviceUnavailable, .draining, "this server stops") }
    let text = MetricsPage(report: control.report(), fastPath: control.fastPathStatistics(), server: counts).text
    return .text(.ok, text, type: "text/plain; version=0.0.4; charset=utf-8")
  }

  private var counts: ServerCounts {
    var counts = ServerCounts()
    counts.logLosses = configuration.logLosses()
    return counts
  }

  private func ask(_ request: HTTPRequest, _ route: Route, _ reply: @escaping (HTTPReply) -> Void) {
    switch endpoint.receive(request, route, now: Date()) {
    case .reply(let response): reply(response)
    case .ask(let question):
      lastRequest += 1
      let id = RequestID(rawValue: lastRequest)
      requests[id] = { [endpoint] response in reply(endpoint.reply(response, route)) }
      control?.handle(.request(id, question))
    }
  }

  private func reply(to failure: Route.Failure, _ request: HTTPRequest) -> HTTPReply {
    switch failure {
    case .notAPath: .problem(.badRequest, code: "bad-request", "the request target must be a path or a URL of HTTP")
    case .badPath:
      .problem(
        .badRequest, code: "bad-request",
        "a part of the path is not validly percent-encoded, or it holds a slash (%2F) or a NUL (%00)")
    case .badName(let name):
      .problem(.badRequest, .badMessage, "\"\(name.prefix(80))\" cannot be a room or participant: \(CallName.rule)")
    case .notFound: .problem(.notFound, .notFound, "there is nothing at \(request.path.prefix(200))")
    }
  }
}
