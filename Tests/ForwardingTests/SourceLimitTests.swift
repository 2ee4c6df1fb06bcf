import Forwarding
import Testing
import Wire

/// Limits of a source where no program in the kernel holds it to them.
@Suite struct SourceLimitTests {
  private func forwarder(_ limit: RateLimit) -> Forwarder {
    var forwarder = Forwarder()
    var source = makeSource()
    source.rateLimit = limit
    forwarder.apply([
      .addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear)), .addSource(source),
    ])
    return forwarder
  }

  /// How many of `count` packets, one a millisecond, are counted as received.
  private func received(_ count: Int, by forwarder: inout Forwarder, on lane: Lane) -> UInt64 {
    for n in 0..<count {
      _ = forwarder.forward(
        Packet(sequence: UInt16(n), payload: [UInt8](repeating: 1, count: 88)).bytes, on: publisherTuple, lane: lane,
        now: milliseconds(UInt64(n)))
    }
    return forwarder.statistics().sources.first?.packets ?? 0
  }

  @Test("A hundred packets a second, and a quarter of that at once")
  func packets() {
    var forwarder = forwarder(RateLimit(packetsPerSecond: 100))
    let packets = received(1000, by: &forwarder, on: .socket)
    #expect((124...126).contains(packets))
    #expect(forwarder.count(.rateLimited) == 1000 - packets)
    #expect(forwarder.statistics().sources.first?.rateLimited == 1000 - packets)
  }

  @Test("Octets of RTP likewise: packets of a hundred, ten thousand a second")
  func bytes() {
    var forwarder = forwarder(RateLimit(bytesPerSecond: 10_000))
    let packets = received(1000, by: &forwarder, on: .socket)
    #expect((124...127).contains(packets))
  }

  @Test("What came past a program in the kernel was limited there")
  func byTheKernel() {
    var forwarder = forwarder(RateLimit(packetsPerSecond: 100))
    let packets = received(1000, by: &forwarder, on: .xsk)
    #expect(packets == 1000 && forwarder.count(.rateLimited) == 0)
  }
}
