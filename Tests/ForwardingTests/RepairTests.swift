import Forwarding
import Testing
import Wire

/// What receivers may ask a publisher to send again.
@Suite struct RepairTests {
  private let first = SinkID(rawValue: 1)
  private let second = SinkID(rawValue: 2)

  /// Two receivers who were sent `count` packets of one source, numbered from 100.
  private func room(sent count: Int) -> Forwarder {
    var forwarder = clearRoom(subscribers: 2)
    forwarder.apply([.addSink(makeSink(1)), .addSink(makeSink(2, sequenceOffset: 7))])
    for n in 0..<count {
      _ = forwarder.forward(Packet(sequence: UInt16(truncatingIfNeeded: 100 + n)), on: publisherTuple)
    }
    return forwarder
  }

  private func missing(_ forwarder: inout Forwarder) -> [UInt16] {
    forwarder.takeEvents(now: .zero).flatMap { event -> [UInt16] in
      if case .missing(source, let numbers) = event { numbers } else { [] }
    }
  }

  @Test("Only numbers that the receiver was lately sent are asked for")
  func neverSent() {
    var forwarder = room(sent: 3000)
    forwarder.apply([.retransmit(first, [3100, 7000, 40_000, 65_535, 100, 1051], askedAt: .zero)])
    #expect(missing(&forwarder).isEmpty)
    forwarder.apply([.retransmit(first, [3099, 1052], askedAt: .zero)])
    #expect(missing(&forwarder) == [1052, 3099])
  }

  @Test("No receiver asks for more than it was sent, however it asks")
  func allowance() {
    var forwarder = room(sent: 20)
    for _ in 0..<10 { forwarder.apply([.retransmit(first, Array(100..<115), askedAt: .zero)]) }
    #expect(missing(&forwarder) == Array(100..<115))
    #expect(forwarder.count(.tooMany) == 15 * 10 - 20)
    forwarder.apply([.retransmit(first, [116], askedAt: .zero)])
    #expect(missing(&forwarder).isEmpty)
    _ = forwarder.forward(Packet(sequence: 120), on: publisherTuple)
    forwarder.apply([.retransmit(first, [116, 117], askedAt: .zero)])
    #expect(missing(&forwarder) == [116])
  }

  @Test("Whatever one receiver asks for, another's losses are repaired")
  func flood() {
    var forwarder = room(sent: 3000)
    for start in stride(from: UInt16(0), to: 60_000, by: 4000) {
      forwarder.apply([.retransmit(first, Array(start..<start + 4000), askedAt: .zero)])
    }
    forwarder.apply([.retransmit(second, [3099 + 7, 3000 + 7], askedAt: .zero)])
    #expect(Set(missing(&forwarder)).isSuperset(of: [3099, 3000]))
    for _ in 0..<100 { forwarder.apply([.retransmit(first, Array(2000..<3100), askedAt: .zero)]) }
    _ = missing(&forwarder)
    forwarder.apply([.retransmit(second, [2500 + 7], askedAt: .zero)])
    #expect(missing(&forwarder) == [2500])
  }
}
