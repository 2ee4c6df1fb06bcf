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
  private var clients: [ObjectIdentifier: Client] = [:]
  private var shares: ConnectionShares
  private var networkShares = NetworkShares()
  private var pace: ArrivalPace
  private var secrets: ResumeSecrets
  private var delayedConnections: UInt64 = 0
  /// How often a client was not read for a while.
  private var pauses: UInt64 = 0
  private var refusals: [ConnectionRefusal: UInt64] = [:]
  private let budget: InputBudget
  let turns: LoopTurns
  private var connections: [ConnectionID: WebSocketConnection] = [:]
  /// Those with messages that wait for `flush`.
  private var unsent: Set<ConnectionID> = []
  private var requests: [RequestID: (ResourceResponse) -> Void] = [:]
  /// The message delivered last, with its text.
  private var latest: (message: ServerMessage, text: ByteBuffer)?
  private var latestMetrics: (reply: HTTPReply, madeAt: NIODeadline)?
  /// Who waits for metrics that are being written.
  private var metricsReaders: [(HTTPReply) -> Void] = []
  private var lastConnection: UInt64 = 0
  private var lastRequest: UInt64 = 0

  /// A connection, and what it counts as.
  private struct Client {
    let channel: any Channel
    let network: ClientNetwork?
    let since: NIODeadline
    /// Why it may do nothing but resume; nil once it has.
    var mustResume: ConnectionRefusal?
    /// Whether it is a participant's.
    var hasJoined = false
  }

  /// `turns`: those of the event loop; nil if nobody else measures them.
  public init(
    configuration: SignallingConfiguration, eventLoop: any EventLoop, log: Logger, turns: LoopTurns? = nil
  ) {
    eventLoop.preconditionInEventLoop()
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.log = log
    self.turns = turns ?? LoopTurns(log: log)
    limits = configuration.limits
    shares = ConnectionShares(limit: limits.connections, share: limits.connectionsPerAddress)
    // A proxy elsewhere, which has a large share, brings many.
    let perSecond = max(50, limits.connectionsPerAddress / 20)
    pace = ArrivalPace(
      each: ArrivalPace.Rate(burst: perSecond * 4, perSecond: perSecond),
      all: ArrivalPace.Rate(burst: max(400, perSecond * 4), perSecond: max(200, perSecond)))
    secrets = ResumeSecrets(capacity: limits.connections * 2)
    budget = InputBudget(capacity: limits.unfinishedBytes)
    tls = configuration.tls
    files = configuration.webFolder.flatMap { StaticFiles(folder: $0) }
    endpoint = SessionEndpoint(tokens: configuration.tokens, publicURL: configuration.publicURL, log: log)
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
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try server.value.turns.measure("accept") { try server.value.accepted(channel) }
        }
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
    let open = clients.values.map(\.channel)
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
    let client = try admit(channel)
    let pipeline = channel.pipeline.syncOperations
    let meter = meter(of: client)
    try pipeline.addHandler(meter)
    if let tls { try pipeline.addHandlers(PlainHTTPNotice(), NIOSSLServerHandler(context: tls.context)) }
    let http = HTTPConnection(
      service: self, refusal: client.mustResume.map { refusal in { [unowned self] in reply(refusal, channel) } },
      claim: InputClaim(budget, client.network), meter: meter)
    try pipeline.configureHTTPServerPipeline(
      withServerUpgrade: webSocketUpgrade(replacing: http), withErrorHandling: false,
      withEncoderConfiguration: .init(), withDecoderLimitConfiguration: Self.headerLimits)
    try pipeline.addHandler(http)
    let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
    try pipeline.addHandler(PlainHeaders(), position: .after(decoder))
  }

  private func meter(of client: Client) -> TurnMeter {
    // A proxy that carries everybody has no share.
    let network = limits.connectionsPerAddress < limits.connections ? client.network : nil
    return TurnMeter(
      turns, "connection",
      TurnMeter.Account(
        spent: { [weak self] work in
          if let network { self?.networkShares.spent(work, by: network, now: .now()) }
        },
        pause: { [weak self] in network.flatMap { self?.networkShares.pause($0, now: .now()) } ?? .zero },
        paused: { [weak self] in self?.pauses += 1 },
        left: { [weak self] debt in self?.pace.charge(debt, to: client.network, now: .now()) }))
  }

  private struct TooManyConnections: Error {}

  /// Counts the connection until it is closed, unless there is no room for it at all.
  private func admit(_ channel: any Channel) throws -> Client {
    let network = ClientNetwork(channel.remoteAddress)
    guard let wait = pace.wait(network, now: .now()) else { throw turnAway(channel, .pace) }
    var client = Client(channel: channel, network: network, since: .now())
    switch shares.opened(network) {
    case .admitted: break
    case .onlyToResume(let refusal): client.mustResume = refusal
    case .turnedAway(let refusal): throw turnAway(channel, refusal)
    }
    if wait > .zero { try delay(channel, by: wait) }
    let key = ObjectIdentifier(channel)
    clients[key] = client
    channel.closeFuture.assumeIsolated().whenComplete { [weak self] _ in
      guard let self, let client = clients.removeValue(forKey: key) else { return }
      shares.closed(client.network, isUnproven: client.mustResume != nil)
    }
    return client
  }

  private func turnAway(_ channel: any Channel, _ refusal: ConnectionRefusal) -> TooManyConnections {
    refused(refusal, log, channel.remoteAddress?.client)
    return TooManyConnections()
  }

  /// Nothing is read of it before.
  private func delay(_ channel: any Channel, by wait: TimeAmount) throws {
    delayedConnections += 1
    try channel.syncOptions?.setOption(.autoRead, value: false)
    eventLoop.scheduleTask(in: wait) { _ = channel.setOption(.autoRead, value: true) }
  }

  /// Counts and logs that there is no room for a connection, or for what it asks.
  func refused(_ refusal: ConnectionRefusal, _ log: Logger, _ client: String? = nil) {
    refusals[refusal, default: 0] += 1
    var metadata: Logger.Metadata = ["reason": "\(refusal.rawValue)"]
    metadata["client"] = client.map { "\($0)" }
    log.warning("connection refused", metadata: metadata)
  }

  private func reply(_ refusal: ConnectionRefusal, _ channel: any Channel) -> HTTPReply {
    refused(refusal, log, channel.remoteAddress?.client)
    return .problem(.serviceUnavailable, .limitExceeded, refusal.text(limits))
  }

  private static let headerLimits: NIOHTTPDecoderLimitConfiguration = {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = 16 << 10
    limits.maxHeaderListSize = 64 << 10
    limits.maxHeaderFieldCount = 100
    return limits
  }()

  private func webSocketUpgrade(replacing http: HTTPConnection) -> NIOHTTPServerUpgradeSendableConfiguration {
    let server = NIOLoopBound(self, eventLoop: eventLoop)
    let http = NIOLoopBound(http, eventLoop: eventLoop)
    let upgrader = NIOWebSocketServerUpgrader(
      maxFrameSize: min(limits.messageBytes * 4, Int(UInt32.max)), automaticErrorHandling: false,
      shouldUpgrade: { channel, head in
        let isForUs = head.method == .GET && HTTPRequest(method: .GET, target: head.uri).path == "/ws"
        let admits =
          isForUs && head.namesOneHost && WebSocketHandshake.hasKey(head.headers)
          && server.value.configuration.origins.admits(head.headers)
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
    let client = clients[ObjectIdentifier(channel)]
    let connection = WebSocketConnection(
      id: ConnectionID(rawValue: lastConnection), server: self, mustResume: client?.mustResume,
      claim: InputClaim(budget, client?.network), log: log)
    let pipeline = channel.pipeline.syncOperations
    // It holds a frame until it is whole; ours stands in its place.
    let decoder = try pipeline.handler(type: ByteToMessageHandler<WebSocketFrameDecoder>.self)
    try pipeline.addHandler(connection, position: .before(decoder))
    pipeline.removeHandler(decoder, promise: nil)
    pipeline.removeHandler(try pipeline.handler(type: PlainHeaders.self), promise: nil)
    connections[connection.id] = connection
    log.info("WebSocket opened")
  }

  /// The connection's channel is gone.
  func ended(_ connection: WebSocketConnection) {
    guard connections.removeValue(forKey: connection.id) != nil else { return }
    if let secret = connection.resumeSecret { secrets.cutOff(secret, now: .now()) }
    control?.handle(.disconnected(connection.id))
  }

  // MARK: Coming back

  /// The connection is a participant's now, who may come back with `secret`; the one that it came `with` is used up.
  func joined(_ channel: any Channel, with used: String?, secret: String, _ grants: Grants) {
    clients[ObjectIdentifier(channel)]?.hasJoined = true
    if let used { secrets.forget(used) }
    secrets.given(secret, grants, now: .now())
  }

  /// The participant has left; its connection stays.
  func left(_ channel: any Channel, secret: String) {
    clients[ObjectIdentifier(channel)]?.hasJoined = false
    secrets.forget(secret)
  }

  /// Whether a `join` with this secret is taken where there is no room for others.
  func mayReturn(_ secret: String?) -> Bool { secret.map { secrets.holds($0, now: .now()) } ?? false }

  /// It came back, once for each secret. Whoever is in no call makes way for it, the first to have come first.
  func returned(_ channel: any Channel, with secret: String) {
    secrets.forget(secret)
    let key = ObjectIdentifier(channel)
    guard let client = clients[key], client.mustResume != nil else { return }
    clients[key]?.mustResume = nil
    shares.resumed(client.network)
    guard shares.isOverfull else { return }
    let idle = clients.filter { $0.key != key && !$0.value.hasJoined && $0.value.mustResume == nil }
    idle.values.min { $0.since < $1.since }?.channel.close(promise: nil)
  }

  /// What the token of a `join` grants. Who comes back may do so with what it was let in with.
  func grants(for token: String?, resuming secret: String?) throws(TokenError) -> Grants {
    guard let tokens = configuration.tokens else { return .everything }
    do {
      return try tokens.verify(token, now: Date())
    } catch {
      guard error == .expired || error == .missing, let grants = secret.flatMap({ secrets.grants(of: $0, now: .now()) })
      else { throw error }
      return grants
    }
  }

  // MARK: What the control loop asks for

  /// Sends to a WebSocket client at the next `flush`; nothing if it is gone.
  public func deliver(_ message: ServerMessage, to connection: ConnectionID) {
    // News goes to everyone in a room, one connection after the other: it is encoded once.
    if latest?.message != message { latest = (message, ByteBuffer(bytes: message.encoded())) }
    guard let text = latest?.text else { return }
    guard let client = connections[connection] else { return }
    client.deliver(message, text)
    unsent.insert(connection)
  }

  /// Sends what was delivered since the last time: one write for each client, however many messages there are for it.
  public func flush() {
    let waiting = unsent
    unsent.removeAll()
    for connection in waiting { connections[connection]?.flush() }
  }

  /// Closes a WebSocket after what was delivered before.
  public func close(_ connection: ConnectionID, reason: ErrorCode) {
    // Whoever is put out is not let in again without a token.
    if let secret = connections[connection]?.resumeSecret { secrets.forget(secret) }
    connections[connection]?.close(reason)
  }

  /// Answers a WHIP or WHEP request; nothing if its client is gone.
  public func respond(_ request: RequestID, _ response: ResourceResponse) {
    requests.removeValue(forKey: request)?(response)
  }

  // MARK: HTTP

  func judge(_ head: HTTPRequestHead, from client: String) -> BodyVerdict {
    var request = HTTPRequest(method: head.method, target: head.uri, headers: head.headers)
    request.client = client
    guard let route = try? Route(request), route.methods.contains(head.method), route.takesBody,
      configuration.origins.admits(head.headers)
    else { return .skipped }
    return endpoint.refusal(of: request, route, now: Date()).map { .refused($0) } ?? .kept
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
      "Location, ETag, Link, Warning, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate",
  ]

  func respond(to request: HTTPRequest, reply: @escaping (HTTPReply) -> Void) {
    turns.measure(request.method.rawValue) { answer(request, reply) }
  }

  private func answer(_ request: HTTPRequest, _ reply: @escaping (HTTPReply) -> Void) {
    let route: Route
    do throws(Route.Failure) { route = try Route(request) } catch { return reply(self.reply(to: error, request)) }
    guard route.methods.contains(request.method) else {
      let allowed = route.methods.map(\.rawValue).joined(separator: ", ")
      let detail = "\(request.method.rawValue) is not for this resource; it takes \(allowed)"
      return reply(.problem(.methodNotAllowed, code: "method-not-allowed", detail, headers: ["allow": allowed]))
    }
    if route.isForOwnPages, !configuration.origins.admits(request.headers) { return reply(Self.otherOrigin) }
    switch route {
    case .endpoint, .resource: ask(request, route, reply)
    case .metrics: metrics(now: .now(), reply)
    default: reply(response(to: request, route))
    }
  }

  private static let otherOrigin = HTTPReply.problem(
    .forbidden, .forbidden, "pages of this origin may open no calls here (allowed-origins)")

  private func response(to request: HTTPRequest, _ route: Route) -> HTTPReply {
    switch route {
    case .health: return .text(.ok, "ok\n")
    case .readiness: return readiness()
    case .file(let segments):
      return files?.reply(to: request, segments: segments)
        ?? .problem(.notFound, .notFound, "this server has no web folder (web)")
    case .webSocket: return WebSocketHandshake.refusal(request.headers)
    // What one resource or another takes (RFC 9110 section 9.3.7).
    case .server: return HTTPReply(.noContent, headers: ["allow": "GET, HEAD, POST, PATCH, DELETE, OPTIONS"])
    case .endpoint, .resource, .metrics: return .problem(.notFound, .notFound, "there is nothing here")
    }
  }

  private func readiness() -> HTTPReply {
    guard let control, !control.isDraining else {
      return .problem(.serviceUnavailable, .draining, "this server is draining and takes no new participants")
    }
    return .text(.ok, "ready\n")
  }

  /// Made anew once a second at most, of values that are taken here, on another thread.
  private func metrics(now: NIODeadline, _ reply: @escaping (HTTPReply) -> Void) {
    if let latestMetrics, now - latestMetrics.madeAt < .seconds(1) { return reply(latestMetrics.reply) }
    guard let control else { return reply(.problem(.serviceUnavailable, .draining, "this server stops")) }
    metricsReaders.append(reply)
    guard metricsReaders.count == 1 else { return }
    let page = MetricsPage(totals: control.totals(), fastPath: control.fastPathStatistics(), server: counts)
    let render = { @Sendable in
      HTTPReply.text(.ok, page.text, type: "text/plain; version=0.0.4; charset=utf-8")
    }
    eventLoop.render(render) { [weak self] made in
      guard let self else { return }
      latestMetrics = (made, now)
      let readers = metricsReaders
      metricsReaders = []
      for reader in readers { reader(made) }
    }
  }

  private var counts: ServerCounts {
    var counts = ServerCounts()
    counts.logLosses = configuration.logLosses()
    counts.turns = turns.times
    counts.connections = clients.count
    for refusal in ConnectionRefusal.allCases { counts.refusedConnections[refusal.rawValue] = refusals[refusal] ?? 0 }
    counts.delayedConnections = delayedConnections
    counts.pauses = pauses
    counts.unfinishedBytes = budget.held
    counts.unfinishedRefused = budget.refusals
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
