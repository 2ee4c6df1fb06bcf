/// What the receiver of one SSRC remembers (RFC 3711 section 3.2.1): the highest index and which indices below it have been
/// seen. The window is a ring of words in the manner of RFC 6479; at least `windowSize` packets below the highest count.
///
/// Its methods all take it in place: it is too large to be handed around for each packet.
public struct InboundStream: ~Copyable, Sendable {
  /// The highest index seen; before the first packet, the guess of its rollover counter.
  public private(set) var highest: UInt64
  public private(set) var isEmpty = true
  private var words = InlineArray<32, UInt64>(repeating: 0)

  private static var wordCount: UInt64 { 32 }

  /// Indices this far below the highest, or farther, are refused as too old.
  public static var windowSize: UInt64 { 64 * (wordCount - 1) }

  /// `rolloverCounter`: the guess for the first packet; 0 unless signalled otherwise.
  public init(rolloverCounter: UInt32 = 0) { highest = UInt64(rolloverCounter) << 16 }

  /// The index a packet with this sequence number must have if it is genuine.
  public mutating func estimate(_ sequence: UInt16) -> UInt64 {
    isEmpty ? highest | UInt64(sequence) : PacketIndex.estimate(sequence, highest: highest)
  }

  /// Whether `index` is neither too old nor seen before.
  public mutating func accepts(_ index: UInt64) -> Bool {
    guard index < PacketIndex.end else { return false }
    guard !isEmpty, index <= highest else { return true }
    guard highest &- index < Self.windowSize else { return false }
    return words[Self.word(index)] & Self.bit(index) == 0
  }

  /// Remembers an index that `accepts` admitted and whose packet proved genuine.
  public mutating func record(_ index: UInt64) {
    if isEmpty {
      isEmpty = false
      highest = index
    } else if index > highest {
      clear(from: highest >> 6 &+ 1, through: index >> 6)
      highest = index
    }
    words[Self.word(index)] |= Self.bit(index)
  }

  /// Empties the words that the window moves onto.
  private mutating func clear(from first: UInt64, through last: UInt64) {
    guard last >= first else { return }
    let count = min(last &- first &+ 1, Self.wordCount)
    for i in 0..<count { words[Self.word((first &+ i) << 6)] = 0 }
  }

  private static func word(_ index: UInt64) -> Int { Int(truncatingIfNeeded: index >> 6 & (wordCount &- 1)) }
  private static func bit(_ index: UInt64) -> UInt64 { 1 << (index & 63) }
}
