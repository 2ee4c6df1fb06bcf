import NIOCore
import NIOWebSocket

/// Puts the fragments of one WebSocket message together (RFC 6455 section 5.4). What exceeds the limit is not kept.
struct MessageAssembly {
  enum Outcome: Equatable {
    case incomplete
    case text([UInt8])
    case binary
    case oversized
    /// The peer breaks the protocol; the reason is for the log and the close frame.
    case violation(String)
  }

  private let limit: Int
  private var opcode: WebSocketOpcode?
  private var bytes: [UInt8] = []
  private var isOversized = false

  init(limit: Int) { self.limit = limit }

  /// Takes in a text, binary or continuation frame.
  mutating func received(_ frame: WebSocketFrame) -> Outcome {
    if frame.opcode == .continuation {
      guard opcode != nil else { return .violation("a continuation without a message") }
    } else {
      guard opcode == nil else { return .violation("a new message within a fragmented one") }
      opcode = frame.opcode
    }
    append(frame.unmaskedData)
    guard frame.fin else { return .incomplete }
    defer { self = MessageAssembly(limit: limit) }
    if isOversized { return .oversized }
    return opcode == .binary ? .binary : .text(bytes)
  }

  private mutating func append(_ data: ByteBuffer) {
    guard !isOversized, opcode != .binary else { return }
    if bytes.count + data.readableBytes > limit {
      isOversized = true
      bytes = []
    } else {
      bytes.append(contentsOf: data.readableBytesView)
    }
  }
}
