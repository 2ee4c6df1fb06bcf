import Forwarding
import Testing
import Wire

@Suite struct NumberingTests {
  let sink = SinkID(rawValue: 1)

  private func sequences(_ forwarder: inout Forwarder, _ numbers: [UInt16], ssrc: UInt32 = 0xaaaa) throws -> [UInt16] {
    try numbers.flatMap { number in
      try forwarder.forward(Packet(sequence: number, ssrc: ssrc), on: publisherTuple).map { try $0.packet.sequence }
    }
  }

  @Test("Gaps, reordering and wrapping of the source show at the receiver as they are")
  func transparent() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink(sequenceOffset: 10))])
    #expect(try sequences(&forwarder, [65_530, 65_533, 65_532, 1, 0, 65_535]) == [4, 7, 6, 11, 10, 9])
  }

  @Test("Duplicates are refused, on a clear transport too")
  func duplicates() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    #expect(try sequences(&forwarder, [5, 5, 6, 5, 7, 6]) == [5, 6, 7])
    #expect(forwarder.count(.replayed) == 3)
    #expect(forwarder.statistics().sources.first?.replays == 3)
    // Older than the window.
    #expect(try sequences(&forwarder, [5000, 8]) == [5000])
  }

  @Test("A packet older than the sink's first still finds its number on a clear transport")
  func lateAtStart() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    #expect(try sequences(&forwarder, [0, 65_535, 65_534]) == [0, 65_535, 65_534])
  }

  @Test("A pause leaves no gap; what is older than its end is not sent")
  func pause() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    #expect(try sequences(&forwarder, [100, 101]) == [100, 101])
    forwarder.apply([.pauseSink(sink, true)])
    #expect(try sequences(&forwarder, [102, 103, 105]) == [])
    #expect(forwarder.count(.noSink) == 3)
    forwarder.apply([.pauseSink(sink, false)])
    #expect(try sequences(&forwarder, [107, 106, 104, 108, 110, 109]) == [102, 103, 105, 104])
    #expect(forwarder.count(.beforeSink) == 2)
    // Twice the same command changes nothing.
    forwarder.apply([.pauseSink(sink, false), .pauseSink(sink, true), .pauseSink(sink, true), .pauseSink(sink, false)])
    #expect(try sequences(&forwarder, [111]) == [106])
  }

  @Test("A sink that starts paused begins with its offset")
  func startsPaused() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink(sequenceOffset: 1000, isPaused: true))])
    #expect(try sequences(&forwarder, [1, 2]) == [])
    forwarder.apply([.pauseSink(sink, false)])
    #expect(try sequences(&forwarder, [3, 4]) == [1003, 1004])
  }

  @Test("What a subscriber misses is asked of the source in the source's numbers, before and after a pause")
  func missing() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink(sequenceOffset: 50))])
    _ = try sequences(&forwarder, [100, 101, 103])  // sent as 150, 151, 153
    forwarder.apply([.pauseSink(sink, true)])
    _ = try sequences(&forwarder, [104])
    forwarder.apply([.pauseSink(sink, false)])
    _ = try sequences(&forwarder, [200, 202])  // sent as 154, 156
    forwarder.apply([.retransmit(sink, [152, 155, 152], askedAt: .zero)])
    let events = forwarder.takeEvents(now: .zero)
    guard events.count == 1, case .missing(let id, let numbers) = events[0] else {
      Issue.record("\(events)")
      return
    }
    #expect(id == source)
    #expect(numbers == [102, 201])
    #expect(forwarder.takeEvents(now: .zero).isEmpty)
  }

  @Test("What several subscribers miss is asked once; before the first copy nothing is")
  func missingOnce() throws {
    var forwarder = clearRoom(subscribers: 2)
    forwarder.apply([.addSink(makeSink(1)), .addSink(makeSink(2, sequenceOffset: 7))])
    forwarder.apply([.retransmit(sink, [1], askedAt: .zero)])
    #expect(forwarder.takeEvents(now: .zero).isEmpty)
    _ = try sequences(&forwarder, [10, 12])
    forwarder.apply([.retransmit(sink, [11], askedAt: .zero), .retransmit(SinkID(rawValue: 2), [18], askedAt: .zero)])
    let events = forwarder.takeEvents(now: .zero)
    guard events.count == 1, case .missing(_, let numbers) = events[0] else {
      Issue.record("\(events)")
      return
    }
    #expect(numbers == [11])
  }
}
