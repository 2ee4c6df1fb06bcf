import DTLS
import NIOCore
import NIOWebSocket
import RTP
import Wire

/// Who a participant is and what it shares with the others of its load.
struct ParticipantPlan: Sendable {
  var number: Int
  var publishes: Bool
  /// Whether, as a subscriber, it decrypts everything and measures latency.
  var isSampled: Bool
  var room: String
  var name: String
  var token: String?
  var videoBitrate: Int
  var certificate: DTLSCertificate
  var target: LoadTarget
  var mailbox: MediaMailbox
  var progress: LoadProgress
}

/// One participant's signalling: joins, publishes or answers, and tells the media thread what was agreed.
final class LoadParticipant: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  private let plan: ParticipantPlan
  private let local: LocalTransport
  private var media: PublishedMedia?
  private var joinSentAt: UInt64 = 0
  private var hasPeer = false

  init(_ plan: ParticipantPlan) {
    self.plan = plan
    local = LocalTransport(certificate: plan.certificate)
  }

  /// The channel is a WebSocket now; before this event nothing can be written to it.
  struct Opened {}

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard event is Opened else { return context.fireUserInboundEventTriggered(event) }
    joinSentAt = Clock.realtime
    send(SignallingRequest.join(room: plan.room, name: plan.name, token: plan.token), context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Self.unwrapInboundIn(data)
    switch frame.opcode {
    case .text: received(SignallingMessage(frame.unmaskedData), context)
    case .ping: send(.pong, frame.unmaskedData, context)
    case .connectionClose: context.close(promise: nil)
    default: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    plan.progress.complain("signalling: \(error)")
    context.close(promise: nil)
  }

  private func received(_ message: SignallingMessage, _ context: ChannelHandlerContext) {
    do {
      switch message {
      case .joined: joined(context)
      case .answer(let sdp): try answered(sdp)
      case .offer(let sdp): try offered(sdp, context)
      case .error(_, target: "subscribe") where plan.publishes: break
      case .error(let text, _): plan.progress.complain("server: \(text)")
      case .other: break
      }
    } catch {
      plan.progress.complain("\(error)")
    }
  }

  private func joined(_ context: ChannelHandlerContext) {
    plan.progress.update { $0.joined += 1 }
    guard plan.publishes else { return }
    send(SignallingRequest.subscribeToNothing, context)
    let audio = UInt32.random(in: 1...0x7fff_ffff)
    let media = PublishedMedia(audioSSRC: audio, videoSSRC: audio &+ 0x1000_0000, videoBitrate: plan.videoBitrate)
    self.media = media
    send(SignallingRequest.publish(PublishOffer.text(local, media)), context)
  }

  private func answered(_ sdp: String) throws {
    guard var media, !hasPeer else { return }
    let server = try ServerDescription(sdp)
    media.midExtension = server.extensionID(HeaderExtension.mid)
    media.transportWideExtension = server.extensionID(HeaderExtension.transportWideSequence)
    media.audioPayloadType = server.firstPayloadType(of: .audio) ?? media.audioPayloadType
    media.videoPayloadType = server.firstPayloadType(of: .video) ?? media.videoPayloadType
    try addPeer(.publisher(media), server, role: server.setup == .active ? .server : .client)
  }

  /// A publisher receives nothing: an offer that is older than its `subscribe` stays without an answer.
  private func offered(_ sdp: String, _ context: ChannelHandlerContext) throws {
    guard !plan.publishes else { return }
    let server = try ServerDescription(sdp)
    let isServerActive = server.setup == .active
    send(
      SignallingRequest.answer(
        SubscribeAnswer.text(to: server.session, local, setup: isServerActive ? .passive : .active)), context)
    if hasPeer {
      plan.mailbox.put(.update(peer: plan.number, ssrcs: server.mediaSSRCs))
    } else {
      try addPeer(.subscriber(server.mediaSSRCs), server, role: isServerActive ? .server : .client)
    }
  }

  private func addPeer(_ role: PeerDescription.Role, _ server: ServerDescription, role dtls: DTLSRole) throws {
    hasPeer = true
    let security = PeerDescription.ICEAndDTLS(
      username: "\(server.usernameFragment):\(local.usernameFragment)", password: server.password,
      fingerprints: server.fingerprints, role: dtls, certificate: local.certificate)
    plan.mailbox.put(
      .add(
        PeerDescription(
          id: plan.number, role: role, security: .negotiated(security),
          candidates: try plan.target.admitted(server.candidates), joinSentAt: joinSentAt, isSampled: plan.isSampled)))
  }

  private func send(_ text: [UInt8], _ context: ChannelHandlerContext) {
    send(.text, context.channel.allocator.buffer(bytes: text), context)
  }

  private func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ context: ChannelHandlerContext) {
    let frame = WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)
    context.writeAndFlush(Self.wrapOutboundOut(frame), promise: nil)
  }
}
