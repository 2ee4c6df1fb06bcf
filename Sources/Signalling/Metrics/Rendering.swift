import Foundation
import NIOCore

extension EventLoop {
  /// Makes a reply of values on another thread, and hands it on here: what is long to write keeps nobody on the loop
  /// waiting.
  func render(_ make: @escaping @Sendable () -> HTTPReply, reply: @escaping (HTTPReply) -> Void) {
    let reply = NIOLoopBound(reply, eventLoop: self)
    DispatchQueue.global(qos: .utility).async {
      let made = make()
      self.execute { reply.value(made) }
    }
  }
}
