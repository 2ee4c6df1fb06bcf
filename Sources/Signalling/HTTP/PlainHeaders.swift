import NIOCore
import NIOHTTP1

/// Takes header fields, and a target, that are not ASCII out of requests before anybody reads them: nothing that this server
/// understands is written so (RFC 9110 section 5.5), and comparing text as Unicode costs much more than its length.
final class PlainHeaders: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(var head) = Self.unwrapInboundIn(data) else { return context.fireChannelRead(data) }
    let isPlain: (String) -> Bool = { $0.utf8.allSatisfy { $0 < 0x80 } }
    // No target at all is refused as one that is no path.
    if !isPlain(head.uri) { head.uri = "" }
    if head.headers.contains(where: { !isPlain($0.value) }) {
      head.headers = HTTPHeaders(head.headers.filter { isPlain($0.value) })
    }
    context.fireChannelRead(Self.wrapInboundOut(.head(head)))
  }
}
