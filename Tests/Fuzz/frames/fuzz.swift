import NIOCore
import NIOWebSocket

@testable import Requests

/// Frames of a WebSocket: an octet for opcode, fragmentation and masking, one of length, the data. A message is what its
/// fragments were, never longer than the limit.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let limit = 40
  var input = ByteBuffer(bytes: UnsafeBufferPointer(start: data, count: size))
  var assembly = MessageAssembly(limit: limit)
  var sent: [UInt8] = []
  var isTooFast = false
  while let head: UInt8 = input.readInteger(), let length: UInt8 = input.readInteger() {
    let bytes = input.readBytes(length: min(Int(length), input.readableBytes)) ?? []
    let opcode: WebSocketOpcode = head & 3 == 1 ? .text : head & 3 == 2 ? .binary : .continuation
    var frame = WebSocketFrame(fin: head & 0x80 != 0, opcode: opcode, data: ByteBuffer(bytes: bytes))
    if head & 0x40 != 0 {
      frame.maskKey = [head, length, 3, 4]
      frame.data.webSocketMask([head, length, 3, 4])
    }
    if opcode != .continuation { sent = [] }
    sent += bytes
    isTooFast = (opcode == .continuation && isTooFast) || head & 0x20 != 0
    switch assembly.received(frame, isTooFast: head & 0x20 != 0) {
    case .incomplete: precondition(!frame.fin)
    case .text(let message): precondition(frame.fin && message == sent && message.count <= limit && !isTooFast)
    case .tooFast: precondition(frame.fin && isTooFast)
    case .oversized: precondition(frame.fin && sent.count > limit)
    case .binary: precondition(frame.fin)
    // The connection is closed then.
    case .violation: return 0
    }
  }
  return 0
}
