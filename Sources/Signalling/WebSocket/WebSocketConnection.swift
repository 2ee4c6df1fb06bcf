import Logging
import NIOCore
import NIOWebSocket
import SFU

/// One client on the WebSocket: text in, messages to the SFU; messages of the SFU, text out. Guards its limits, keeps
/// the connection alive and gives up on a reader that does not read.
final class WebSocketConnection: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  let id: ConnectionID
  private let server: SignallingServer
  private let limits: SignallingLimits
  private var log: Logger
  private var context: ChannelHandlerContext?
  private var assembly: MessageAssembly
  private var bucket: TokenBucket
  private var refusedInARow = 0
  private var unsentBytes = 0
  private var lastHeard = NIODeadline.now()
  private var joinDeadline: Scheduled<Void>?
  private var isClosing = false
  /// From the token of the latest `join`; they count once that has succeeded.
  private var offeredGrants: Grants?
  private var grants: Grants?

  init(id: ConnectionID, server: SignallingServer, log: Logger) {
    self.id = id
    self.server = server
    self.log = log
    limits = server.limits
    assembly = MessageAssembly(limit: limits.messageBytes)
    bucket = TokenBucket(capacity: limits.messageBurst, perSecond: limits.messagesPerSecond, now: .now())
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    schedulePing(context)
    scheduleSilence(context)
    setJoinDeadline(context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    isClosing = true
    joinDeadline?.cancel()
    self.context = nil
    server.ended(self)
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Self.unwrapInboundIn(data)
    lastHeard = .now()
    guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return violation("reserved bits are set") }
    guard frame.maskKey != nil else { return violation("a client's frames must be masked") }
    if frame.opcode == .connectionClose { return peerCloses(frame, context) }
    let isTooFast = isTooFast(frame)
    switch frame.opcode {
    case .text, .binary, .continuation: received(frame, isTooFast: isTooFast)
    case .ping where !isTooFast: write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
    case .ping, .pong: break
    default: violation("an unknown opcode")
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case NIOWebSocketError.invalidFrameLength:
      deliver(.error(.limitExceeded, message: "\(oversizedText); closing"))
      close(.messageTooLarge, "a frame far beyond the limit")
    case is NIOWebSocketError: violation("\(error)")
    default:
      // Not the error itself: some of the decoder's hold what the client sent.
      log.debug("connection failed", metadata: ["error": "\(type(of: error))"])
      context.close(promise: nil)
    }
  }

  var hasJoined: Bool { grants != nil }

  /// Nobody sends so much only to join.
  func exceededJoinAllowance() {
    let limit = "\(JoinAllowance.bytes) bytes before a join"
    deliver(.error(.limitExceeded, message: "a connection may send \(limit); closing"))
    close(.messageTooLarge, "more than \(limit)")
  }

  func isOn(_ channel: any Channel) -> Bool { context?.channel === channel }

  // MARK: Receiving

  /// Fragments and control frames cost as much as messages. Who goes on without a token is closed.
  private func isTooFast(_ frame: WebSocketFrame) -> Bool {
    if bucket.take(bytes: frame.data.readableBytes, now: .now()) {
      refusedInARow = 0
      return false
    }
    refusedInARow += 1
    if refusedInARow == 1 { log.info("message rate exceeded") }
    if refusedInARow > limits.messageBurst + 100 { close(.policyViolation, ErrorCode.rateLimited.rawValue) }
    return true
  }

  private func received(_ frame: WebSocketFrame, isTooFast: Bool) {
    guard !isClosing else { return }
    switch assembly.received(frame, isTooFast: isTooFast) {
    case .incomplete: break
    case .text(let text): received(text)
    case .binary: deliver(.error(.badMessage, message: "binary frames are not understood; send JSON in text frames"))
    case .oversized: deliver(.error(.limitExceeded, message: oversizedText))
    case .tooFast: deliver(.error(.rateLimited, message: tooFastText))
    case .violation(let reason): violation(reason)
    }
  }

  private func received(_ text: [UInt8]) {
    guard String(validating: text, as: UTF8.self) != nil else {
      return close(.dataInconsistentWithMessage, "a text message that is not UTF-8")
    }
    let received: ReceivedMessage
    do throws(ClientMessageError) { received = try ReceivedMessage.decode(text) } catch {
      return deliver(.error(error.code, message: error.message))
    }
    if case .join = received.message { return join(received) }
    guard let grants else {
      return deliver(.error(.outOfOrder, message: "the first message must be \"join\""))
    }
    server.control?.handle(.message(id, received.message, grants: grants))
    if case .leave = received.message { left() }
  }

  /// As before the first join.
  private func left() {
    grants = nil
    if let context { setJoinDeadline(context) }
  }

  private func join(_ received: ReceivedMessage) {
    do throws(TokenError) {
      let grants = try server.grants(for: received.token)
      offeredGrants = grants
      server.control?.handle(.message(id, received.message, grants: grants))
    } catch {
      log.info("token refused", metadata: ["reason": "\(error.message)"])
      deliver(.error(.unauthorized, message: error.message))
    }
  }

  private var oversizedText: String {
    "the message exceeds the limit of \(limits.messageBytes) bytes (max-message-bytes)"
  }

  private var tooFastText: String {
    let rate = "\(limits.messagesPerSecond) messages per second (max-messages-per-second)"
    return "this message is dropped: the limit is \(rate) after a burst of \(limits.messageBurst)"
  }

  private func violation(_ reason: String) {
    log.info("protocol violation", metadata: ["reason": "\(reason)"])
    close(.protocolError, reason)
  }

  // MARK: Sending

  /// Bytes that a frame which waits takes besides its data: an empty pong is not free.
  private static let frameOverhead = 256

  private func deliver(_ message: ServerMessage) { deliver(message, ByteBuffer(bytes: message.encoded())) }

  /// `text` is the message, encoded.
  func deliver(_ message: ServerMessage, _ text: ByteBuffer) {
    if case .joined(let participant, _, _, _) = message {
      grants = offeredGrants
      log[metadataKey: "participant"] = "\(participant.id)"
    }
    write(WebSocketFrame(fin: true, opcode: .text, data: text))
  }

  private func write(_ frame: WebSocketFrame) {
    guard let context, !isClosing else { return }
    let size = frame.data.readableBytes + Self.frameOverhead
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
    context.writeAndFlush(Self.wrapOutboundOut(frame), promise: written)
  }

  // MARK: Keeping alive, closing

  /// Without a join, pongs alone would keep a connection, and one of those that there may be, for ever.
  private func setJoinDeadline(_ context: ChannelHandlerContext) {
    joinDeadline?.cancel()
    joinDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: limits.joinTimeout) { [weak self] in
      guard let self, grants == nil else { return }
      close(.policyViolation, "no join within \(limits.joinTimeout.nanoseconds / 1_000_000_000) s")
    }
  }

  private func schedulePing(_ context: ChannelHandlerContext) {
    context.eventLoop.assumeIsolated().scheduleTask(in: limits.pingInterval) { [weak self] in
      guard let self, !isClosing else { return }
      write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()))
      schedulePing(context)
    }
  }

  /// Looks when the silence would be long enough, had there been nothing since.
  private func scheduleSilence(_ context: ChannelHandlerContext) {
    let end = lastHeard + limits.silenceTimeout
    context.eventLoop.assumeIsolated().scheduleTask(deadline: end) { [weak self] in
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

  private func peerCloses(_ frame: WebSocketFrame, _ context: ChannelHandlerContext) {
    if !isClosing {
      isClosing = true
      let (code, reason) = Self.answer(toClose: frame.unmaskedData)
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
