import Glibc
import Logging
import NIOCore
import NIOPosix

extension ServerBootstrap {
  /// While the process has no descriptor left for a connection, it waits in the kernel's queue.
  func pausesWithoutDescriptors(_ log: Logger) -> ServerBootstrap {
    serverChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptPause(log: log)) }
    }
  }
}

/// Stops reading for a second: else the loop would be told of the connection that waits again and again. (NIO's
/// `AcceptBackoffHandler` only puts off the next read: the one that failed stays registered, and spins.)
private final class AcceptPause: ChannelInboundHandler {
  typealias InboundIn = any Channel
  private let log: Logger

  init(log: Logger) { self.log = log }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // ECONNABORTED: the client was gone before it was accepted.
    guard let error = error as? IOError, error.errnoCode != ECONNABORTED else { return context.fireErrorCaught(error) }
    log.warning(
      "no connection can be accepted for a second",
      metadata: ["reason": "\(String(cString: strerror(error.errnoCode)))"])
    let channel = context.channel
    _ = channel.setOption(.autoRead, value: false)
    channel.eventLoop.scheduleTask(in: .seconds(1)) { _ = channel.setOption(.autoRead, value: true) }
  }
}
