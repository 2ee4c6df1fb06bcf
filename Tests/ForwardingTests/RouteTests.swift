import Forwarding
import SRTP
import Testing
import Wire

@Suite struct RouteTests {
  @Test("What is removed no longer gets or gives anything; its slot is reused")
  func removal() throws {
    var forwarder = clearRoom(subscribers: 3)
    for n in 1...3 { forwarder.apply([.addSink(makeSink(n))]) }
    #expect(forwarder.forward(Packet(sequence: 1), on: publisherTuple).count == 3)
    forwarder.apply([.removeSink(SinkID(rawValue: 2))])
    #expect(forwarder.forward(Packet(sequence: 2), on: publisherTuple).count == 2)
    let freed = forwarder.index(of: subscriber(3))
    forwarder.apply([.removeTransport(subscriber(3))])
    #expect(forwarder.index(of: subscriber(3)) == nil)
    #expect(forwarder.forward(Packet(sequence: 3), on: publisherTuple).count == 1)
    #expect(forwarder.statistics().sinks.map(\.id.rawValue) == [1])
    forwarder.apply([.addTransport(Transport(id: subscriber(9), tuple: subscriberTuple(9), protection: .clear))])
    #expect(forwarder.index(of: subscriber(9)) == freed)
    forwarder.apply([.removeSource(source)])
    #expect(forwarder.forward(Packet(sequence: 4), on: publisherTuple).isEmpty)
    #expect(forwarder.statistics().sinks.isEmpty)
    #expect(forwarder.statistics().sources.isEmpty)
    forwarder.apply([.removeTransport(publisher)])
    #expect(forwarder.forward(Packet(sequence: 5), on: publisherTuple).isEmpty)
    #expect(forwarder.count(.unknownTuple) == 1)
  }

  @Test("Commands about unknown things are counted and change nothing")
  func unknownNames() {
    var forwarder = Forwarder()
    forwarder.apply([
      .moveTransport(publisher, tuple(1)), .removeTransport(publisher), .addSource(makeSource()), .removeSource(source),
      .addSink(makeSink()), .pauseSink(SinkID(rawValue: 1), true), .removeSink(SinkID(rawValue: 1)),
      .retransmit(SinkID(rawValue: 1), [1], askedAt: .zero),
    ])
    #expect(forwarder.count(.ignoredCommand) == 8)
    #expect(forwarder.count(.refusedCommand) == 0)
  }

  @Test("A live name is not taken twice")
  func liveNames() {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    forwarder.apply([
      .addTransport(Transport(id: publisher, tuple: tuple(7), protection: .clear)), .addSource(makeSource()),
      .addSource(makeSource(SourceID(rawValue: 5))),  // the same SSRC
      .addSink(makeSink()),
    ])
    #expect(forwarder.count(.refusedCommand) == 4)
    #expect(forwarder.forward(Packet(), on: publisherTuple).count == 1)
  }

  @Test("A roaming publisher sends from its new address only, a roaming subscriber keeps its slot")
  func move() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    let slot = forwarder.index(of: subscriber(1)) ?? -1
    forwarder.apply([.moveTransport(publisher, tuple(4000)), .moveTransport(subscriber(1), tuple(4001))])
    #expect(forwarder.forward(Packet(sequence: 1), on: publisherTuple).isEmpty)
    let sent = forwarder.forward(Packet(sequence: 1), on: tuple(4000))
    #expect(sent.map(\.transport) == [slot])
    #expect(forwarder.tuple(ofTransport: slot) == tuple(4001))
  }

  @Test("The newest owner of an address has it, and keeps it when the earlier one goes")
  func sameAddress() {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    let next = TransportID(rawValue: 77)
    forwarder.apply([.addTransport(Transport(id: next, tuple: publisherTuple, protection: .clear))])
    #expect(forwarder.forward(Packet(sequence: 1), on: publisherTuple).isEmpty)
    forwarder.apply([
      .removeTransport(publisher),
      .addSource(Source(id: SourceID(rawValue: 8), transport: next, ssrc: 1, kind: .audio, clockRate: 48_000)),
      .addSink(makeSink(2, subscriber: 1, source: SourceID(rawValue: 8))),
    ])
    #expect(forwarder.forward(Packet(sequence: 2, ssrc: 1), on: publisherTuple).count == 1)
  }

  @Test("IPv6 and IPv4 peers by the thousand, coming and going")
  func manyTransports() {
    var forwarder = Forwarder()
    func tuple(_ n: Int) -> FiveTuple {
      let ip = n % 2 == 0 ? IPAddress.v4(UInt32(0x0a00_0000 + n)) : .v6(0x2001_0db8_0000_0000, UInt64(n))
      return FiveTuple(local: SocketAddress(.v4(1), 3478), remote: SocketAddress(ip, UInt16(1024 + n % 60_000)))
    }
    func id(_ n: Int) -> TransportID { TransportID(rawValue: UInt32(n)) }
    for n in 0..<5000 { forwarder.apply([.addTransport(Transport(id: id(n), tuple: tuple(n), protection: .clear))]) }
    for n in stride(from: 0, to: 5000, by: 3) { forwarder.apply([.removeTransport(id(n))]) }
    for n in 0..<5000 { _ = forwarder.forward(Packet(), on: tuple(n)) }
    #expect(forwarder.count(.unknownTuple) == 1667)
    #expect(forwarder.count(.unknownSSRC) == 3333)
  }

  @Test("Limits hold")
  func limits() throws {
    var limits = ForwardingLimits()
    limits.transports = 3
    limits.streamsPerTransport = 4
    limits.sinks = 2
    limits.sentSSRCsPerTransport = 3
    var forwarder = Forwarder(cryptography: .preferred, limits: limits)
    for n in 0..<4 {
      let id = n == 0 ? publisher : subscriber(n)
      let tuple = n == 0 ? publisherTuple : subscriberTuple(n)
      forwarder.apply([.addTransport(Transport(id: id, tuple: tuple, protection: .clear))])
    }
    #expect(forwarder.count(.refusedCommand) == 1)
    // Unknown SSRCs make room for each other, a source stays.
    forwarder.apply([.addSource(makeSource()), .addSink(makeSink(1))])
    for ssrc in UInt32(1)...20 {
      _ = forwarder.forward(Packet(ssrc: ssrc), on: publisherTuple, now: milliseconds(UInt64(ssrc)))
    }
    #expect(forwarder.count(.unknownSSRC) == 20)
    #expect(forwarder.forward(Packet(), on: publisherTuple).count == 1)
    for ssrc in UInt32(100)..<110 { forwarder.apply([.addSource(makeSource(SourceID(rawValue: ssrc), ssrc: ssrc))]) }
    #expect(forwarder.count(.refusedCommand) == 1 + 7)
    #expect(forwarder.forward(Packet(ssrc: 999), on: publisherTuple).isEmpty)
    #expect(forwarder.count(.tooManySSRCs) == 1)
    forwarder.apply([.addSink(makeSink(2)), .addSink(makeSink(3, subscriber: 2, ssrc: 9))])
    #expect(forwarder.count(.refusedCommand) == 1 + 7 + 1)
    for n in 10..<20 {
      forwarder.apply([.addSink(makeSink(n, subscriber: 2)), .removeSink(SinkID(rawValue: UInt32(n)))])
    }
    #expect(forwarder.statistics().sinks.count == 2)
  }

  @Test("Every verdict has a name of its own")
  func verdictNames() {
    let forwarder = Forwarder()
    let names = forwarder.statistics().verdicts.map(\.name)
    #expect(names.count == ForwardingVerdict.allCases.count + RepairOutcome.allCases.count)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { $0.hasPrefix("worker_") && $0.allSatisfy { $0.isLowercase || $0 == "_" } })
  }
}
