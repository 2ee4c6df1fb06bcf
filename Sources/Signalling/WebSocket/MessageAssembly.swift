import NIOCore
import NIOWebSocket

/// Puts one WebSocket message together as its octets come (RFC 6455 section 5.4). What exceeds a limit is not kept.
struct MessageAssembly {
  enum Outcome: Equatable {
    case text([UInt8])
    case binary
    case oversized
    /// All clients together had too much unfinished.
    case crowded
    /// A frame of it was beyond the rate.
    case tooFast
  }

  private let limit: Int
  private let claim: InputClaim
  private var opcode: WebSocketOpcode?
  private var bytes: [UInt8] = []
  /// What a message that is not kept will come to.
  private var dropped: Outcome?

  init(limit: Int, claim: InputClaim) {
    self.limit = limit
    self.claim = claim
  }

  var isWithinMessage: Bool { opcode != nil }

  /// A text, binary or continuation frame begins. Returns how that breaks the protocol, if it does.
  mutating func frameBegan(_ opcode: WebSocketOpcode, isTooFast: Bool = false) -> String? {
    if opcode == .continuation {
      guard isWithinMessage else { return "a continuation without a message" }
    } else {
      guard !isWithinMessage else { return "a new message within a fragmented one" }
      self.opcode = opcode
    }
    if isTooFast { drop(.tooFast) }
    return nil
  }

  /// Some of the frame's payload.
  mutating func append(_ data: ByteBuffer) {
    guard dropped == nil, opcode != .binary else { return }
    let count = bytes.count + data.readableBytes
    guard count <= limit else { return drop(.oversized) }
    guard claim.cover(count) else { return drop(.crowded) }
    bytes.append(contentsOf: data.readableBytesView)
  }

  /// The frame has ended, and with it the message if it `isFinal`: then what has come of it.
  mutating func frameEnded(isFinal: Bool) -> Outcome? {
    guard isFinal else { return nil }
    defer { abandon() }
    return dropped ?? (opcode == .binary ? .binary : .text(bytes))
  }

  /// Keeps nothing any more.
  mutating func abandon() {
    (opcode, bytes, dropped) = (nil, [], nil)
    claim.release()
  }

  private mutating func drop(_ outcome: Outcome) {
    dropped = outcome
    bytes = []
    claim.release()
  }
}
