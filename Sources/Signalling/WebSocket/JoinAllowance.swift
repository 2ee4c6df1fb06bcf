import NIOCore

/// In front of the frame decoder, which holds a frame until it is whole, however large a joined client's may be: bounds what
/// a client sends that nobody has let in yet.
final class JoinAllowance: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// For a few joins, each with a token of up to 16 KiB.
  static let bytes = 64 << 10

  private let connection: WebSocketConnection
  private var received = 0

  init(of connection: WebSocketConnection) { self.connection = connection }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard received <= Self.bytes else { return }
    received += Self.unwrapInboundIn(data).readableBytes
    context.fireChannelRead(data)
    // The join may have been in these bytes.
    if connection.hasJoined { received = 0 }
    if received > Self.bytes { connection.exceededJoinAllowance() }
  }
}
