import NIOCore

/// Before TLS: tells a client that speaks plain HTTP to the HTTPS port what it should do instead, and hangs up.
final class PlainHTTPNotice: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// Content type of every TLS handshake record (RFC 8446 section 5.1).
  private static let handshakeRecord: UInt8 = 22
  private static let text = "This port speaks HTTPS: write https:// instead of http://.\n"

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = Self.unwrapInboundIn(data)
    guard let first = bytes.readableBytesView.first, first != Self.handshakeRecord else {
      context.fireChannelRead(data)
      return context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
    let response =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: \(Self.text.utf8.count)\r\n"
      + "Connection: close\r\n\r\n\(Self.text)"
    context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: response)), promise: nil)
    context.close(promise: nil)
  }
}
