import Logging
import NIOCore
import NIOWebSocket
import SFU

/// One client on the WebSocket: text in, messages to the SFU; messages of the SFU, text out. Guards its limits, keeps
/// the connection alive and gives up on a reader that does not read.
final class WebSocketConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = WebSocketFrame

  let id: ConnectionID
  private let server: SignallingServer
  private let limits: SignallingLimits
  private var log: Logger
  private var context: ChannelHandlerContext?
  private var reader: FrameReader
  private var input: MessageInput
  private var assembly: MessageAssembly
  /// Of the frame that is being read.
  private var frame = FrameReader.Head(isFinal: true, opcode: .text, length: 0)
  private var control = ByteBuffer()
  /// Whether there was a violation: what comes then cannot be read.
  private var isBroken = false
  private var unsentBytes = 0
  private var lastHeard = NIODeadline.now()
  private let joinDeadline = Deadline()
  private let messageDeadline = Deadline()
  private let silenceDeadline = Deadline()
  private var isClosing = false
  /// From the token of the latest `join`; they count once that has succeeded.
  private var offeredGrants: Grants?
  /// That it came back with, good for one time.
  private var offeredSecret: String?
  private var grants: Grants?
  /// With which its participant may come back.
  private(set) var resumeSecret: String?
  /// Why nothing but a `join` that resumes is taken.
  private var mustResume: ConnectionRefusal?

  /// `mustResume`: nil where there is room for everybody. `claim`: on what its unfinished messages are kept.
  init(
    id: ConnectionID, server: SignallingServer, mustResume: ConnectionRefusal?, claim: InputClaim, log: Logger
  ) {
    self.id = id
    self.server = server
    self.mustResume = mustResume
    self.log = log
    limits = server.limits
    reader = FrameReader(maximumLength: limits.messageBytes * 4)
    assembly = MessageAssembly(limit: limits.messageBytes, claim: claim)
    input = MessageInput(limits: limits, now: .now())
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    schedulePing(context)
    scheduleSilence(context)
    setJoinDeadline(context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    isClosing = true
    for deadline in [joinDeadline, messageDeadline, silenceDeadline] { deadline.cancel() }
    assembly.abandon()
    self.context = nil
    server.ended(self)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { fail("\(type(of: error))", context) }

  func isOn(_ channel: any Channel) -> Bool { context?.channel === channel }

  // MARK: Receiving

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isBroken else { return fail("octets after a violation", context) }
    guard !input.isExhausted else { return }
    var octets = Self.unwrapInboundIn(data)
    lastHeard = .now()
    input.received(octets.readableBytes)
    do throws(FrameReader.Failure) {
      while !isBroken, let part = try reader.next(&octets) { received(part, context) }
    } catch {
      failed(error)
    }
    // The join may have been in these octets.
    if grants != nil { input.joined() } else if input.isExhausted { exceededJoinAllowance() }
    setMessageDeadline(context)
  }

  private func received(_ part: FrameReader.Part, _ context: ChannelHandlerContext) {
    switch part {
    case .head(let head): began(head)
    case .payload(let data, let isLast):
      input.charge(data.readableBytes)
      if frame.opcode.isControlOpcode {
        control.writeImmutableBuffer(data)
        if isLast { received(control, context) }
      } else {
        assembly.append(data)
        if isLast, let outcome = assembly.frameEnded(isFinal: frame.isFinal) { received(outcome) }
      }
    }
  }

  private func began(_ head: FrameReader.Head) {
    frame = head
    control.clear()
    // Fragments and control frames cost as much as messages. Who closes has no more to say.
    let isTooFast = head.opcode != .connectionClose && !input.admitFrame(now: .now())
    if isTooFast { exceededRate() }
    guard !head.opcode.isControlOpcode else { return }
    if let reason = assembly.frameBegan(head.opcode, isTooFast: isTooFast) { violation(reason) }
  }

  /// A control frame is whole.
  private func received(_ body: ByteBuffer, _ context: ChannelHandlerContext) {
    switch frame.opcode {
    case .connectionClose: peerCloses(body, context)
    case .ping where !input.isTooFast:
      write(WebSocketFrame(fin: true, opcode: .pong, data: body))
      flush()
    default: break
    }
  }

  /// Who goes on without a token is closed.
  private func exceededRate() {
    if input.refusedInARow == 1 { log.info("message rate exceeded") }
    if input.refusedInARow > limits.messageBurst + 100 { close(.policyViolation, ErrorCode.rateLimited.rawValue) }
  }

  private func received(_ outcome: MessageAssembly.Outcome) {
    messageDeadline.cancel()
    guard !isClosing else { return }
    switch outcome {
    case .text(let text): received(text)
    case .binary: deliver(.error(.badMessage, message: "binary frames are not understood; send JSON in text frames"))
    case .oversized: deliver(.error(.limitExceeded, message: oversizedText))
    case .crowded: deliver(.error(.limitExceeded, message: crowdedText))
    case .tooFast: deliver(.error(.rateLimited, message: tooFastText))
    }
  }

  private func received(_ text: [UInt8]) {
    guard String(validating: text, as: UTF8.self) != nil else {
      return close(.dataInconsistentWithMessage, "a text message that is not UTF-8")
    }
    let received: ReceivedMessage
    do throws(ClientMessageError) {
      received = try server.turns.measure("reading a message") { () throws(ClientMessageError) in
        try ReceivedMessage.decode(text)
      }
    } catch {
      return deliver(.error(error.code, message: error.message))
    }
    if case .join(_, _, let resume) = received.message { return join(received, resume) }
    guard let grants else {
      return deliver(.error(.outOfOrder, message: "the first message must be \"join\""))
    }
    server.turns.measure(received.message.name) {
      server.control?.handle(.message(id, received.message, grants: grants))
    }
    if case .leave = received.message { left() }
  }

  /// As before the first join.
  private func left() {
    grants = nil
    guard let context else { return }
    if let resumeSecret { server.left(context.channel, secret: resumeSecret) }
    resumeSecret = nil
    setJoinDeadline(context)
  }

  private func join(_ received: ReceivedMessage, _ resume: String?) {
    if let mustResume, !server.mayReturn(resume) { return refuse(mustResume) }
    do throws(TokenError) {
      let grants = try server.grants(for: received.token, resuming: resume)
      if mustResume != nil, let resume, let context { server.returned(context.channel, with: resume) }
      mustResume = nil
      offeredGrants = grants
      offeredSecret = resume
      server.turns.measure("join") { server.control?.handle(.message(id, received.message, grants: grants)) }
    } catch {
      log.info("token refused", metadata: ["reason": "\(error.message)"])
      deliver(.error(.unauthorized, message: error.message))
    }
  }

  private func refuse(_ refusal: ConnectionRefusal) {
    server.refused(refusal, log)
    deliver(.error(.limitExceeded, message: refusal.text(limits)))
    close(.policyViolation, ErrorCode.limitExceeded.rawValue)
  }

  /// Nobody sends so much only to join.
  private func exceededJoinAllowance() {
    let limit = "\(MessageInput.beforeJoin) bytes before a join"
    deliver(.error(.limitExceeded, message: "a connection may send \(limit); closing"))
    close(.messageTooLarge, "more than \(limit)")
  }

  private var oversizedText: String {
    "the message exceeds the limit of \(limits.messageBytes) bytes (max-message-bytes)"
  }

  private var crowdedText: String {
    "this message is dropped: the server holds its limit of \(limits.unfinishedBytes) bytes of unfinished messages"
  }

  private var tooFastText: String {
    let rate = "\(limits.messagesPerSecond) messages per second (max-messages-per-second)"
    return "this message is dropped: the limit is \(rate) after a burst of \(limits.messageBurst)"
  }

  private func failed(_ failure: FrameReader.Failure) {
    switch failure {
    case .violation(let reason): violation(reason)
    case .oversized:
      isBroken = true
      deliver(.error(.limitExceeded, message: "\(oversizedText); closing"))
      close(.messageTooLarge, "a frame far beyond the limit")
    }
  }

  private func violation(_ reason: String) {
    isBroken = true
    log.info("protocol violation", metadata: ["reason": "\(reason)"])
    close(.protocolError, reason)
  }

  /// `what` is nothing that the client sent.
  private func fail(_ what: String, _ context: ChannelHandlerContext) {
    log.debug("connection failed", metadata: ["error": "\(what)"])
    context.close(promise: nil)
  }

  // MARK: Sending

  /// Bytes that a frame which waits takes besides its data: an empty pong is not free.
  private static let frameOverhead = 256

  private func deliver(_ message: ServerMessage) {
    deliver(message, ByteBuffer(bytes: message.encoded()))
    flush()
  }

  func flush() { context?.flush() }

  /// `text` is the message, encoded. It is sent by `flush`, or with what is sent next.
  func deliver(_ message: ServerMessage, _ text: ByteBuffer) {
    if case .joined(let participant, _, _, let resume) = message {
      grants = offeredGrants
      resumeSecret = resume
      if let context, let offeredGrants {
        server.joined(context.channel, with: offeredSecret, secret: resume, offeredGrants)
      }
      log[metadataKey: "participant"] = "\(participant.id)"
    }
    write(WebSocketFrame(fin: true, opcode: .text, data: text))
  }

  private func write(_ frame: WebSocketFrame) {
    guard let context, !isClosing else { return }
    let size = frame.data.readableBytes + Self.frameOverhead
    // What was written together may be more than is taken at once.
    if unsentBytes + size > limits.unsentBytes { context.flush() }
    guard unsentBytes + size <= limits.unsentBytes else {
      log.warning(
        "slow reader: connection closed",
        metadata: ["unsent": "\(unsentBytes + size)", "limit": "\(limits.unsentBytes) (max-unsent-bytes)"])
      isClosing = true
      return context.close(promise: nil)
    }
    unsentBytes += size
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.unsentBytes -= size }
    context.write(Self.wrapOutboundOut(frame), promise: written)
  }

  // MARK: Keeping alive, closing

  /// Without a join, pongs alone would keep a connection, and one of those that there may be, for ever.
  private func setJoinDeadline(_ context: ChannelHandlerContext) {
    let limit = mustResume == nil ? limits.joinTimeout : min(limits.resumeTimeout, limits.joinTimeout)
    joinDeadline.set(in: limit, on: context.eventLoop) { [weak self] in
      guard let self, grants == nil else { return }
      close(.policyViolation, "no join within \(limit.nanoseconds / 1_000_000_000) s")
    }
  }

  /// A message that has begun must end, however much of it comes meanwhile: control frames, which may come within one, do not
  /// put that off.
  private func setMessageDeadline(_ context: ChannelHandlerContext) {
    guard reader.isWithinFrame || assembly.isWithinMessage, !isClosing else { return messageDeadline.cancel() }
    guard !messageDeadline.isSet else { return }
    let limit = limits.messageTimeout
    messageDeadline.set(in: limit, on: context.eventLoop) { [weak self] in
      guard let self, !isClosing else { return }
      log.info("connection closed: a message did not end")
      close(.policyViolation, "a message did not end within \(limit.nanoseconds / 1_000_000_000) s")
    }
  }

  private func schedulePing(_ context: ChannelHandlerContext) {
    context.eventLoop.assumeIsolated().scheduleTask(in: limits.pingInterval) { [weak self] in
      guard let self, !isClosing else { return }
      write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()))
      flush()
      schedulePing(context)
    }
  }

  /// Looks when the silence would be long enough, had there been nothing since.
  private func scheduleSilence(_ context: ChannelHandlerContext) {
    let rest = max(.zero, lastHeard + limits.silenceTimeout - .now())
    silenceDeadline.set(in: rest, on: context.eventLoop) { [weak self] in
      guard let self, !isClosing else { return }
      guard NIODeadline.now() - lastHeard >= limits.silenceTimeout else { return scheduleSilence(context) }
      let seconds = limits.silenceTimeout.nanoseconds / 1_000_000_000
      log.info("connection closed: silent", metadata: ["seconds": "\(seconds)"])
      close(.policyViolation, "nothing was heard for \(seconds) s")
    }
  }

  /// The SFU is done with this connection; `reason` is the close frame's reason.
  func close(_ reason: ErrorCode) {
    close(reason == .roomClosed || reason == .draining ? .goingAway : .policyViolation, reason.rawValue)
  }

  func closeForShutdown() { close(.goingAway, "server stops") }

  private func close(_ code: WebSocketErrorCode, _ reason: String) {
    guard let context, !isClosing else { return }
    isClosing = true
    sendClose(code, reason, context)
    // The peer answers with its own close frame; it has two seconds for it.
    let channel = context.channel
    context.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
  }

  private func peerCloses(_ body: ByteBuffer, _ context: ChannelHandlerContext) {
    if !isClosing {
      isClosing = true
      let (code, reason) = Self.answer(toClose: body)
      sendClose(code, reason, context)
    }
    context.close(promise: nil)
  }

  /// Says what is wrong with the body of a close frame, if anything is (RFC 6455 sections 5.5.1 and 8.1).
  private static func answer(toClose body: ByteBuffer) -> (WebSocketErrorCode, String) {
    var body = body
    guard body.readableBytes > 0 else { return (.normalClosure, "") }
    guard let code = body.readInteger(as: UInt16.self), mayTravel(code) else {
      return (.protocolError, "a close frame without a valid code")
    }
    guard String(validating: body.readableBytesView, as: UTF8.self) != nil else {
      return (.dataInconsistentWithMessage, "a reason that is not UTF-8")
    }
    return (.normalClosure, "")
  }

  /// Section 7.4; 1004 to 1006 and 1015 are for use within a program only.
  private static func mayTravel(_ code: UInt16) -> Bool {
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: true
    default: false
    }
  }

  private func sendClose(_ code: WebSocketErrorCode, _ reason: String, _ context: ChannelHandlerContext) {
    var data = ByteBuffer()
    data.write(webSocketErrorCode: code)
    data.writeString(String(reason.prefix(100)))
    context.writeAndFlush(
      Self.wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data)), promise: nil)
  }
}
