import NIOCore
import NIOWebSocket

/// Reads frames as their octets come, and holds nothing of an unfinished one but its head (RFC 6455 section 5.2):
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-------+-+-------------+-------------------------------+
///     |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
///     |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
///     |N|V|V|V|       |S|             |   (if payload len==126/127)   |
///     | |1|2|3|       |K|             |                               |
///     +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
///     |     Extended payload length continued, if payload len == 127  |
///     + - - - - - - - - - - - - - - - +-------------------------------+
///     |                               |Masking-key, if MASK set to 1  |
///     +-------------------------------+-------------------------------+
///     | Masking-key (continued)       |          Payload Data         |
///     +-------------------------------- - - - - - - - - - - - - - - - +
struct FrameReader {
  struct Head: Equatable {
    var isFinal: Bool
    var opcode: WebSocketOpcode
    var length: Int
  }

  enum Part: Equatable {
    case head(Head)
    /// Some of the payload, unmasked; a frame without any has one empty part.
    case payload(ByteBuffer, isLast: Bool)
  }

  enum Failure: Error, Equatable {
    /// The text is for the close frame.
    case violation(String)
    /// The frame would be longer than any may be.
    case oversized
  }

  private let maximumLength: Int
  private var head: [UInt8] = []
  private var payload: (rest: Int, mask: WebSocketMaskingKey)?
  /// Of the octet that comes next, within the masking key.
  private var maskOffset = 0

  init(maximumLength: Int) { self.maximumLength = maximumLength }

  var isWithinFrame: Bool { payload != nil || !head.isEmpty }

  /// The next part that is in `input`; nil when that is used up. After a failure there is no reading on.
  mutating func next(_ input: inout ByteBuffer) throws(Failure) -> Part? {
    payload == nil ? try readHead(&input) : readPayload(&input)
  }

  private mutating func readHead(_ input: inout ByteBuffer) throws(Failure) -> Part? {
    while head.count < Self.size(of: head) {
      guard let octet: UInt8 = input.readInteger() else { return nil }
      head.append(octet)
      // As soon as they are known, whatever the rest will be.
      if head.count == 2 { try check() }
    }
    let parsed = Head(
      isFinal: head[0] & 0x80 != 0, opcode: WebSocketOpcode(encodedWebSocketOpcode: head[0] & 0xf) ?? .continuation,
      length: try length())
    // The size of the head is at least 6 with a masking key, which `check` has seen to.
    let key = head.suffix(4)
    payload = WebSocketMaskingKey(key).map { (parsed.length, $0) }
    (head, maskOffset) = ([], 0)
    return .head(parsed)
  }

  private mutating func readPayload(_ input: inout ByteBuffer) -> Part? {
    guard let (rest, mask) = payload else { return nil }
    guard rest == 0 || input.readableBytes > 0 else { return nil }
    var data = input.readSlice(length: min(rest, input.readableBytes)) ?? ByteBuffer()
    data.webSocketUnmask(mask, indexOffset: maskOffset)
    maskOffset = (maskOffset + data.readableBytes) & 3
    let isLast = data.readableBytes == rest
    payload = isLast ? nil : (rest - data.readableBytes, mask)
    return .payload(data, isLast: isLast)
  }

  /// Octets of the head that begins with `octets`, as far as these tell.
  private static func size(of octets: [UInt8]) -> Int {
    guard octets.count >= 2 else { return 2 }
    let extended = [126: 2, 127: 8][octets[1] & 0x7f] ?? 0
    return 2 + extended + 4
  }

  private func check() throws(Failure) {
    guard head[0] & 0x70 == 0 else { throw .violation("reserved bits are set") }
    guard head[1] & 0x80 != 0 else { throw .violation("a client's frames must be masked") }
    guard [0, 1, 2, 8, 9, 10].contains(head[0] & 0xf) else { throw .violation("an unknown opcode") }
    guard head[0] & 0x8 != 0 else { return }
    guard head[0] & 0x80 != 0 else { throw .violation("a fragmented control frame") }
    guard head[1] & 0x7f <= 125 else { throw .violation("a control frame of more than 125 octets") }
  }

  private func length() throws(Failure) -> Int {
    let extended = head.dropFirst(2).dropLast(4)
    let length = extended.isEmpty ? UInt64(head[1] & 0x7f) : extended.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(maximumLength) else { throw .oversized }
    return Int(length)
  }
}
