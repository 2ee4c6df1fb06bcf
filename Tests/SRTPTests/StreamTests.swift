import SRTP
import Testing

@Suite struct PacketIndexTests {
  @Test("RFC 3711 appendix A, over all edges")
  func estimate() {
    /// The appendix's own code.
    func reference(_ sequence: UInt16, _ highest: UInt64) -> UInt64? {
      let rolloverCounter = Int64(highest >> 16)
      let last = Int64(highest & 0xffff)
      let number = Int64(sequence)
      var guess = rolloverCounter
      if last < 32_768 {
        if number - last > 32_768 { guess -= 1 }
      } else if last - 32_768 > number {
        guess += 1
      }
      return guess >= 0 ? UInt64(guess) << 16 | UInt64(sequence) : nil
    }
    let edges: [UInt16] = [0, 1, 2, 99, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0x8002, 0xfffe, 0xffff]
    for rolloverCounter in [UInt64(0), 1, 2, 0xffff_fffe] {
      for last in edges {
        for sequence in edges {
          let highest = rolloverCounter << 16 | UInt64(last)
          let expected = reference(sequence, highest) ?? UInt64(sequence)
          #expect(PacketIndex.estimate(sequence, highest: highest) == expected)
        }
      }
    }
  }
}

@Suite struct InboundStreamTests {
  @Test func windowIsAtLeast1024() { #expect(InboundStream.windowSize >= 1024) }

  @Test func firstPacketDecides() {
    var stream = InboundStream()
    #expect(stream.isEmpty == true)
    #expect(stream.estimate(0xfff0) == 0xfff0)
    stream.record(0xfff0)
    #expect(stream.estimate(3) == 0x1_0003)
    #expect(stream.estimate(0xffe0) == 0xffe0)
  }

  @Test func replaysAndOldPacketsAreRefused() {
    var stream = InboundStream()
    stream.record(5000)
    #expect(stream.accepts(5000) == false)
    #expect(stream.accepts(4999) == true)
    #expect(stream.accepts(5000 - InboundStream.windowSize + 1) == true)
    #expect(stream.accepts(5000 - InboundStream.windowSize) == false)
    stream.record(4999)
    #expect(stream.accepts(4999) == false)
    #expect(stream.accepts(PacketIndex.end) == false)
  }

  @Test("Against a set that forgets nothing, with jumps, bursts and reordering")
  func againstSet() {
    var random = FixedRandom(3)
    var stream = InboundStream()
    var seen: Set<UInt64> = []
    var highest: UInt64 = 10_000
    var refused = 0
    for _ in 0..<40_000 {
      let kind = random.next() % 100
      let index: UInt64 =
        switch kind {
        case 0: highest + random.next() % 5000
        case 1..<60: highest + 1
        default: highest &- min(highest, random.next() % 2500)
        }
      let isNew =
        seen.isEmpty || index > highest || (highest - index < InboundStream.windowSize && !seen.contains(index))
      #expect(stream.accepts(index) == isNew)
      guard isNew else {
        refused += 1
        continue
      }
      stream.record(index)
      highest = seen.isEmpty ? index : max(highest, index)
      seen.insert(index)
    }
    #expect(refused > 1000)
    #expect(stream.highest == highest)
  }
}
