import Logging
import NIOCore
import NIOHTTP1

/// What answers the requests of a connection: the public server or the admin API. Used on the event loop only.
protocol HTTPService: AnyObject {
  var limits: SignallingLimits { get }
  /// Looks at a request's head before its body comes: nothing is kept for who may not ask.
  func judge(_ head: HTTPRequestHead, from client: String) -> BodyVerdict
  /// Calls `reply` once, now or later.
  func respond(to request: HTTPRequest, reply: @escaping (HTTPReply) -> Void)
  /// What every response to a request for `target` says, a refusal before its end as well.
  func headers(for target: String) -> HTTPHeaders
}

/// What becomes of a request's body.
enum BodyVerdict {
  case kept
  /// Nobody reads it.
  case skipped
  /// The request is answered when it has ended.
  case refused(HTTPReply)
}

/// One HTTP/1.1 connection: collects each request within the limits, writes each response, and closes when idle.
/// Requests come one at a time: `HTTPServerPipelineHandler` holds pipelined ones back until the response has its end, which
/// comes when the client has taken the rest, and in a later turn of the loop.
final class HTTPConnection: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    case waiting
    case reading(HTTPRequestHead, body: [UInt8])
    /// The body is passed over, so many octets of it so far; then the reply comes, or the request is answered without body.
    case skipping(HTTPRequestHead, octets: Int, HTTPReply?)
    case responding
    /// The response is on its way, and so may be the rest of a body that is passed over.
    case writing
    case closed
  }

  private let service: any HTTPService
  private let refusal: (() -> HTTPReply)?
  private let claim: InputClaim
  private let meter: TurnMeter?
  private var state = State.waiting
  private var requests: TokenBucket
  private var bodies: TokenBucket
  private let deadline = Deadline()

  /// `refusal`: what every request is answered with, for want of room. `claim`: on what unfinished bodies are kept. `meter`:
  /// what pipelined requests are charged to, which come when the one before is answered.
  init(
    service: any HTTPService, refusal: (() -> HTTPReply)? = nil, claim: InputClaim = InputClaim(nil, nil),
    meter: TurnMeter? = nil
  ) {
    self.service = service
    self.claim = claim
    self.meter = meter
    self.refusal = refusal
    let limits = service.limits
    requests = TokenBucket(capacity: limits.requestBurst, perSecond: limits.requestsPerSecond, now: .now())
    bodies = TokenBucket(capacity: limits.messageBurst, perSecond: limits.messagesPerSecond, now: .now())
  }

  func handlerAdded(context: ChannelHandlerContext) { setDeadline(service.limits.requestTimeout, context) }

  func handlerRemoved(context: ChannelHandlerContext) {
    deadline.cancel()
    claim.release()
  }

  func channelInactive(context: ChannelHandlerContext) {
    deadline.cancel()
    state = .closed
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Self.unwrapInboundIn(data) {
    case .head(let head): began(head, context)
    case .body(let bytes): received(bytes, context)
    case .end: ended(context)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let error = error as? HTTPParserError, context.channel.isActive else {
      if !context.channel.isActive || isTransportError(error) { context.close(promise: nil) }
      return
    }
    switch state {
    case .waiting: refuse(unreadable(error), HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), context)
    case .reading(let head, _), .skipping(let head, _, _): refuse(unreadable(error), head, context)
    case .responding, .writing, .closed: context.close(promise: nil)
    }
  }

  // MARK: Reading

  private func began(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    setDeadline(service.limits.requestTimeout, context)
    state = .reading(head, body: [])
    if let refusal { return refuse(refusal(), head, context) }
    guard head.namesOneHost else { return refuse(noHost, head, context) }
    let limit = service.limits.bodyBytes
    if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > limit {
      return refuse(tooLarge(limit), head, context)
    }
    let isAwaited = head.headers.first(name: "expect")?.lowercased() == "100-continue"
    switch head.hasBody ? service.judge(head, from: context.remoteAddress?.client ?? "unknown") : .skipped {
    case .kept: break
    case .skipped: state = .skipping(head, octets: 0, nil)
    // The client waits to be told to send its body.
    case .refused(let reply) where isAwaited: return refuse(reply, head, context)
    case .refused(let reply):
      state = .skipping(head, octets: 0, reply)
      return
    }
    if isAwaited {
      let interim = HTTPResponseHead(version: head.version, status: .continue)
      context.writeAndFlush(Self.wrapOutboundOut(.head(interim)), promise: nil)
    }
  }

  private func received(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    let limit = service.limits.bodyBytes
    switch state {
    case .reading(let head, var body):
      state = .waiting  // keeps `body` unshared while it grows
      let count = body.count + bytes.readableBytes
      guard count <= limit else { return refuse(tooLarge(limit), head, context) }
      guard claim.cover(count) else { return refuse(crowded, head, context) }
      body.append(contentsOf: bytes.readableBytesView)
      state = .reading(head, body: body)
    case .skipping(let head, let octets, let reply):
      let count = octets + bytes.readableBytes
      state = .skipping(head, octets: count, reply)
      if count > limit { refuse(tooLarge(limit), head, context) }
    case .waiting, .responding, .writing, .closed: break
    }
  }

  private func ended(_ context: ChannelHandlerContext) {
    let (head, body, octets, refusal): (HTTPRequestHead, [UInt8], Int, HTTPReply?)
    switch state {
    case .reading(let read, let kept): (head, body, octets, refusal) = (read, kept, kept.count, nil)
    case .skipping(let read, let skipped, let reply): (head, body, octets, refusal) = (read, [], skipped, reply)
    case .waiting, .responding, .writing, .closed: return
    }
    deadline.cancel()
    claim.release()
    state = .responding
    if let refusal = tooMany(octets) ?? refusal { return write(refusal, head, context) }
    var request = HTTPRequest(method: head.method, target: head.uri, headers: head.headers, body: body)
    if let address = context.remoteAddress { request.client = address.client }
    service.respond(to: request) { [weak self] reply in self?.write(reply, head, context) }
  }

  // MARK: Writing

  private func write(_ reply: HTTPReply, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    guard case .responding = state else { return }
    send(reply, to: head, closes: reply.closesConnection || !head.isKeepAlive, context)
  }

  private func refuse(_ reply: HTTPReply, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    claim.release()
    send(reply, to: head, closes: true, context)
  }

  private func send(_ reply: HTTPReply, to head: HTTPRequestHead, closes: Bool, _ context: ChannelHandlerContext) {
    var headers = reply.headers
    if reply.status != .noContent { headers.replaceOrAdd(name: "content-length", value: String(reply.body.count)) }
    headers.add(contentsOf: service.headers(for: head.uri))
    headers.add(name: "x-content-type-options", value: "nosniff")
    if closes { headers.replaceOrAdd(name: "connection", value: "close") }
    let response = HTTPResponseHead(version: head.version, status: reply.status, headers: headers)
    let hasBody = head.method != .HEAD && reply.status != .noContent
    let body = ByteBuffer(bytes: hasBody ? reply.body : [])
    let taken = context.eventLoop.makePromise(of: Void.self)
    let pause = reply.status == .tooManyRequests ? Self.penalty : Self.pause
    taken.futureResult.assumeIsolated().whenSuccess { [weak self] in self?.sent(closes: closes, pause, context) }
    state = .writing
    setDeadline(service.limits.idleTimeout, context)
    context.write(Self.wrapOutboundOut(.head(response)), promise: nil)
    context.writeAndFlush(Self.wrapOutboundOut(.body(.byteBuffer(body))), promise: taken)
  }

  /// A task without delay would run before the loop looks at its other connections and at the media again, and a client
  /// that pipelines would have the loop for itself.
  private static let pause = TimeAmount.microseconds(50)
  /// For who does not heed a refusal.
  private static let penalty = TimeAmount.seconds(1)

  /// The client has taken the response.
  private func sent(closes: Bool, _ pause: TimeAmount, _ context: ChannelHandlerContext) {
    guard case .writing = state else { return }
    if closes { return closeSoon(context) }
    let pause = max(pause, meter?.pause ?? .zero)
    context.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
      guard let self else { return }
      if let meter { meter.measure { self.goOn(context) } } else { goOn(context) }
    }
  }

  /// The next request may come.
  private func goOn(_ context: ChannelHandlerContext) {
    guard case .writing = state else { return }
    state = .waiting
    setDeadline(service.limits.idleTimeout, context)
    context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
  }

  /// Half-closes, so that a client that is still sending reads the response before it sees a reset; then ends soon.
  private func closeSoon(_ context: ChannelHandlerContext) {
    state = .closed
    deadline.cancel()
    let channel = context.channel
    context.close(mode: .output, promise: nil)
    context.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
  }

  // MARK: Limits

  private func unreadable(_ error: HTTPParserError) -> HTTPReply {
    if error == .invalidMethod {
      return .problem(
        .notImplemented, code: "not-implemented", "the request does not begin with a method that this server knows")
    }
    return .problem(.badRequest, code: "bad-request", "this is not an HTTP/1.1 request within the header limits")
  }

  private var noHost: HTTPReply {
    .problem(.badRequest, code: "bad-request", "an HTTP/1.1 request must have one Host field")
  }

  private func tooLarge(_ limit: Int) -> HTTPReply {
    .problem(.payloadTooLarge, .limitExceeded, "the request body exceeds the limit of \(limit) bytes (max-body-bytes)")
  }

  private var crowded: HTTPReply {
    .problem(
      .serviceUnavailable, .limitExceeded,
      "the server holds its limit of \(service.limits.unfinishedBytes) bytes of unfinished requests")
  }

  /// Takes what the request costs.
  private func tooMany(_ octets: Int) -> HTTPReply? {
    let limits = service.limits
    guard requests.take(bytes: 0, now: .now()) else {
      return tooMany("\(limits.requestsPerSecond) requests per second", burst: limits.requestBurst)
    }
    guard octets == 0 || bodies.take(bytes: octets, now: .now()) else {
      let rate = "\(limits.messagesPerSecond) request bodies per second (max-messages-per-second)"
      return tooMany(rate, burst: limits.messageBurst)
    }
    return nil
  }

  private func tooMany(_ rate: String, burst: Int) -> HTTPReply {
    .problem(.tooManyRequests, .rateLimited, "the limit of a connection is \(rate), after a burst of \(burst)")
  }

  private func setDeadline(_ time: TimeAmount, _ context: ChannelHandlerContext) {
    deadline.set(in: time, on: context.eventLoop) { [weak self] in self?.deadlinePassed(context) }
  }

  private func deadlinePassed(_ context: ChannelHandlerContext) {
    let head: HTTPRequestHead
    switch state {
    case .reading(let read, _), .skipping(let read, _, _): head = read
    case .waiting, .responding, .writing, .closed: return context.close(promise: nil)
    }
    let seconds = service.limits.requestTimeout.nanoseconds / 1_000_000_000
    refuse(
      .problem(.requestTimeout, .limitExceeded, "the request did not arrive within the limit of \(seconds) s"), head,
      context)
  }
}
