/// Packets of a source that no receiver is to have a number for, such as padding alone. What comes after one is numbered as if
/// it had not been: the rank of a packet is its index without those skipped up to it. Ranks of packets that are forwarded
/// differ as their indices do, and ascend with them.
///
/// Only the newest packet can be skipped: others may have ranks above it already. Of those skipped it knows the ones that a
/// packet may still be late behind (`InboundStream.windowSize`).
struct SkippedPackets {
  /// A ring of bits, by index.
  private var words = InlineArray<32, UInt64>(repeating: 0)
  private var latest: UInt64 = 0
  private var total: UInt64 = 0

  private static let wordCount: UInt64 = 32

  /// Skips a packet that is newer than all before.
  mutating func skip(_ index: UInt64) {
    if total == 0 { latest = index }
    let (first, last) = (latest >> 6 &+ 1, index >> 6)
    if last >= first {
      for i in 0..<min(last &- first &+ 1, Self.wordCount) { words[Self.place(first &+ i)] = 0 }
    }
    words[Self.place(index >> 6)] |= 1 << (index & 63)
    latest = index
    total &+= 1
  }

  @inline(__always)
  func rank(of index: UInt64) -> UInt64 { total == 0 ? index : index &- skipped(through: index) }

  /// The index of the packet that has this rank; nil if none near enough has.
  func index(ofRank rank: UInt64) -> UInt64? {
    guard total > 0 else { return rank }
    var index = rank &+ total
    for _ in 0..<64 {
      let next = rank &+ skipped(through: index)
      if next == index { return beforeSkipped(index) }
      index = next
    }
    return nil
  }

  /// Those skipped right after a packet have its rank as well.
  private func beforeSkipped(_ index: UInt64) -> UInt64 {
    var index = index
    while isSkipped(index), index > 0 { index &-= 1 }
    return index
  }

  private func isSkipped(_ index: UInt64) -> Bool {
    index <= latest && latest &- index < 64 &* (Self.wordCount &- 1)
      && words[Self.place(index >> 6)] & 1 << (index & 63) != 0
  }

  private func skipped(through index: UInt64) -> UInt64 {
    guard index < latest else { return total }
    let oldest = latest >> 6 &- min(latest >> 6, Self.wordCount &- 1)
    var later: UInt64 = 0
    for word in max(index >> 6, oldest)...(latest >> 6) {
      var bits = words[Self.place(word)]
      if word == index >> 6 { bits &= ~(UInt64.max >> (63 &- index & 63)) }
      later &+= UInt64(bits.nonzeroBitCount)
    }
    return total &- later
  }

  private static func place(_ word: UInt64) -> Int { Int(truncatingIfNeeded: word & (wordCount &- 1)) }
}
