import NIOCore
import NIOWebSocket

/// Puts the fragments of one WebSocket message together (RFC 6455 section 5.4). What exceeds a limit is not kept.
struct MessageAssembly {
  enum Outcome: Equatable {
    case incomplete
    case text([UInt8])
    case binary
    case oversized
    /// A frame of it was beyond the rate.
    case tooFast
    /// The peer breaks the protocol; the reason is for the log and the close frame.
    case violation(String)
  }

  private let limit: Int
  private var opcode: WebSocketOpcode?
  private var bytes: [UInt8] = []
  /// What a message that is not kept will come to.
  private var dropped: Outcome?

  init(limit: Int) { self.limit = limit }

  /// Takes in a text, binary or continuation frame.
  mutating func received(_ frame: WebSocketFrame, isTooFast: Bool = false) -> Outcome {
    if frame.opcode == .continuation {
      guard opcode != nil else { return .violation("a continuation without a message") }
    } else {
      guard opcode == nil else { return .violation("a new message within a fragmented one") }
      opcode = frame.opcode
    }
    if isTooFast { drop(.tooFast) }
    append(frame.unmaskedData)
    guard frame.fin else { return .incomplete }
    defer { self = MessageAssembly(limit: limit) }
    return dropped ?? (opcode == .binary ? .binary : .text(bytes))
  }

  private mutating func append(_ data: ByteBuffer) {
    guard dropped == nil, opcode != .binary else { return }
    guard bytes.count + data.readableBytes <= limit else { return drop(.oversized) }
    bytes.append(contentsOf: data.readableBytesView)
  }

  private mutating func drop(_ outcome: Outcome) {
    dropped = outcome
    bytes = []
  }
}
