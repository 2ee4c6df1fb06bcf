import Forwarding
import SRTP
import Testing
import Wire

@Suite struct EventTests {
  private let named = Packet(
    sequence: 5, ssrc: 0xdddd, extensionProfile: 0xbede,
    elements: [
      Packet.Element(id: 1, data: Array("0".utf8)), Packet.Element(id: 2, data: Array("hi".utf8)),
      Packet.Element(id: 3, data: Array("lo".utf8)),
    ])

  @Test("An unknown SSRC is reported with its names, at most every 100 ms", arguments: SRTPProfile.allCases)
  func unknownSource(profile: SRTPProfile) throws {
    var room = try EncryptedRoom(profile, .preferred)
    var packet = named
    var reports: [UInt64] = []
    for time in stride(from: UInt64(0), to: 250, by: 10) {
      packet.sequence += 1
      #expect(room.publish(packet, now: milliseconds(time)).isEmpty)
      for event in room.forwarder.takeEvents(now: milliseconds(time)) {
        guard case .unknownSource(let transport, let unknown) = event else {
          Issue.record("\(event)")
          continue
        }
        #expect(transport == publisher)
        #expect(unknown == UnknownSource(ssrc: 0xdddd, payloadType: 96, mid: "0", rid: "hi", repairedRID: "lo"))
        reports.append(time)
      }
    }
    #expect(reports == [0, 100, 200])
    #expect(room.forwarder.count(.unknownSSRC) == 25)
  }

  @Test("New SSRCs beyond their rate cost no stream, no event and nobody's replay window")
  func newSSRCs() {
    var limits = ForwardingLimits()
    limits.newSSRCs = Rate(perSecond: 10, burst: 5)
    limits.streamsPerTransport = 8
    var forwarder = Forwarder(cryptography: .preferred, limits: limits)
    forwarder.apply([.addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear))])
    func send(_ ssrcs: Range<UInt32>, at time: UInt64 = 0) {
      for ssrc in ssrcs { _ = forwarder.forward(Packet(ssrc: ssrc), on: publisherTuple, now: milliseconds(time)) }
    }
    send(0..<1000)
    let (reported, limited) = (forwarder.count(.unknownSSRC), forwarder.count(.ssrcRateLimited))
    #expect(reported == 5 && limited == 995)
    let events = forwarder.takeEvents(now: .zero)
    #expect(events.count == 5)
    send(0..<5)
    let replays = forwarder.count(.replayed)
    #expect(replays == 5)
    // Those that signalling names are not new.
    forwarder.apply([.addSource(makeSource(ssrc: 0xaaaa))])
    send(0xaaaa..<0xaaab)
    send(2000..<2100, at: 100)
    let (named, later) = (forwarder.count(.noSink), forwarder.count(.unknownSSRC))
    #expect(named == 1 && later == 6)
  }

  @Test("Nothing forged is reported", arguments: SRTPProfile.allCases)
  func forged(profile: SRTPProfile) throws {
    var room = try EncryptedRoom(profile, .preferred)
    var sealed = room.publisherEnd.seal(named)
    sealed[sealed.count - 3] ^= 4
    #expect(room.forwarder.forward(sealed, on: publisherTuple).isEmpty)
    #expect(room.forwarder.takeEvents(now: milliseconds(1000)).isEmpty)
  }

  @Test("A source keeps the rollover counter and the replays of its time as an unknown SSRC")
  func stateIsKept() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    for index in UInt64(65_530)..<65_540 {
      _ = room.publish(Packet(sequence: UInt16(truncatingIfNeeded: index)), rollovers: index >> 16)
    }
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink())])
    #expect(room.publish(Packet(sequence: 2), rollovers: 1).isEmpty)
    #expect(room.forwarder.count(.replayed) == 1)
    #expect(room.publish(Packet(sequence: 10), rollovers: 1).count == 1)
    // And of its time as another source.
    room.forwarder.apply([
      .removeSource(source), .addSource(makeSource(SourceID(rawValue: 3))),
      .addSink(makeSink(2, subscriber: 1, source: SourceID(rawValue: 3))),
    ])
    #expect(room.publish(Packet(sequence: 10), rollovers: 1).isEmpty)
    #expect(room.publish(Packet(sequence: 11), rollovers: 1).count == 1)
  }

  @Test("Transport-wide arrivals of all SSRCs, in order, every 50 ms")
  func arrivals() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred, transportWide: 4)
    room.forwarder.apply([.addSource(makeSource())])
    func packet(_ n: UInt16, ssrc: UInt32, wide: UInt16) -> Packet {
      Packet(
        sequence: n, ssrc: ssrc, extensionProfile: 0xbede,
        elements: [Packet.Element(id: 4, data: [UInt8(wide >> 8), UInt8(wide & 0xff)])])
    }
    _ = room.publish(packet(1, ssrc: 0xaaaa, wide: 65_535), now: milliseconds(10))
    _ = room.publish(packet(1, ssrc: 0xeeee, wide: 1), now: milliseconds(20))
    _ = room.publish(packet(2, ssrc: 0xaaaa, wide: 0), now: milliseconds(30))
    _ = room.publish(Packet(sequence: 3), now: milliseconds(31))
    func arrivals(_ events: [FastPathEvent]) -> [TransportWideArrival]? {
      for case .arrivals(publisher, let list) in events { return list }
      return nil
    }
    #expect(arrivals(room.forwarder.takeEvents(now: milliseconds(59))) == nil)
    #expect(
      arrivals(room.forwarder.takeEvents(now: milliseconds(60))) == [
        TransportWideArrival(sequence: 65_535, at: milliseconds(10)),
        TransportWideArrival(sequence: 1, at: milliseconds(20)),
        TransportWideArrival(sequence: 0, at: milliseconds(30)),
      ])
    #expect(room.forwarder.takeEvents(now: milliseconds(500)).isEmpty)
    _ = room.publish(packet(4, ssrc: 0xaaaa, wide: 2), now: milliseconds(600))
    #expect(room.forwarder.takeEvents(now: milliseconds(649)).isEmpty)
    #expect(arrivals(room.forwarder.takeEvents(now: milliseconds(650)))?.map(\.sequence) == [2])
  }

  @Test("A header extension negotiated later is read from then on")
  func laterExtensions() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    let numbered = Packet.Element(id: 4, data: [0, 7])
    func arrivals(_ n: UInt16) -> Int {
      let packet = Packet(sequence: n, extensionProfile: 0xbede, elements: [numbered])
      _ = room.publish(packet, now: milliseconds(UInt64(n)))
      return room.forwarder.takeEvents(now: milliseconds(1000)).count { if case .arrivals = $0 { true } else { false } }
    }
    #expect(arrivals(1) == 0)
    room.forwarder.apply([.readExtensions(publisher, ReadExtensions(transportWide: 4))])
    #expect(arrivals(2) == 1)
  }

  @Test("Arrivals are bounded, and due early when many")
  func manyArrivals() throws {
    var forwarder = Forwarder()
    forwarder.apply([
      .addTransport(
        Transport(
          id: publisher, tuple: publisherTuple, protection: .clear, extensions: ReadExtensions(transportWide: 4))),
      .addSource(makeSource()),
    ])
    for n in UInt16(0)..<2000 {
      let element = Packet.Element(id: 4, data: [UInt8(n >> 8), UInt8(n & 0xff)])
      _ = forwarder.forward(
        Packet(sequence: n, extensionProfile: 0xbede, elements: [element]), on: publisherTuple, now: milliseconds(1))
    }
    #expect(forwarder.count(.droppedEvent) > 0)
    let events = forwarder.takeEvents(now: milliseconds(1))
    guard events.count == 1, case .arrivals(_, let list) = events[0] else {
      Issue.record("\(events.count) events")
      return
    }
    #expect(UInt64(list.count) + forwarder.count(.droppedEvent) == 2000)
    // A transport that goes takes its arrivals with it.
    let element = Packet.Element(id: 4, data: [9, 9])
    _ = forwarder.forward(
      Packet(sequence: 3000, extensionProfile: 0xbede, elements: [element]), on: publisherTuple, now: milliseconds(2))
    forwarder.apply([.removeTransport(publisher)])
    #expect(forwarder.takeEvents(now: milliseconds(1000)).isEmpty)
  }
}

@Suite struct StatisticsTests {
  @Test("Sources and sinks count packets, bytes, lanes and sequence numbers")
  func counters() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    let packet = Packet(payload: [UInt8](repeating: 1, count: 100), padding: 4)
    for (i, sequence) in [UInt16(65_534), 65_535, 1, 0].enumerated() {
      var numbered = packet
      numbered.sequence = sequence
      let lane: Lane = i < 3 ? .xsk : .socket
      _ = forwarder.forward(
        numbered.bytes, on: publisherTuple, lane: lane, now: milliseconds(UInt64(i)), sending: i == 0 ? nil : lane)
    }
    let source = try #require(forwarder.statistics().sources.first)
    #expect(source.packets == 4)
    #expect(source.bytes == 4 * 116)
    #expect(source.packetsOnXSK == 3)
    #expect(source.packetsOnSocket == 1)
    #expect(source.lane == .socket)
    #expect(source.firstSequence == 65_534)
    #expect(source.highestSequence == 65_537)
    #expect(source.lastArrival == milliseconds(3))
    let sink = try #require(forwarder.statistics().sinks.first)
    #expect(sink.packets == 3)
    #expect(sink.bytes == 3 * 116)
    #expect(sink.payloadOctets == 300)
    #expect(sink.packetsOnXSK == 2)
    #expect(sink.packetsOnSocket == 1)
    #expect(sink.dropped == 1)
    #expect(sink.firstSent == milliseconds(1))
    #expect(sink.lane == .socket)
    #expect(forwarder.count(.unsent) == 1)
    #expect(forwarder.count(.forwarded) == 3)
  }

  @Test("Jitter of a steady stream is 0, of an unsteady one as RFC 3550 computes it")
  func jitter() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    func send(_ n: UInt64, at time: UInt64) {
      _ = forwarder.forward(
        Packet(sequence: UInt16(n), timestamp: UInt32(n * 3000)), on: publisherTuple,
        now: Instant(nanoseconds: time * 1_000_000_000 / 90_000))
    }
    for n in UInt64(0)..<50 { send(n, at: 1_000_000_000 + n * 3000) }
    #expect((forwarder.statistics().sources.first?.jitter ?? 9) <= 1)
    for n in UInt64(50)..<400 { send(n, at: 1_000_000_000 + n * 3000 + (n % 2) * 160) }
    let jitter = try #require(forwarder.statistics().sources.first?.jitter)
    #expect((155...165).contains(jitter))
  }
}
