import Forwarding
import SRTP
import Testing
import Wire

/// What a receiver misses is sent again from the cache, as RTX (RFC 4588).
@Suite struct RetransmissionTests {
  private let sink = SinkID(rawValue: 1)

  /// Packets 100 to 109 were sent to an encrypted receiver as 150 to 159; key frames are VP8's.
  private func room(_ profile: SRTPProfile = .aeadAES128GCM, sent: Range<UInt16> = 100..<110) throws -> EncryptedRoom {
    var room = try EncryptedRoom(profile, .preferred)
    room.forwarder.apply([
      .addSource(makeSource()), .addSource(makeRetransmissions()),
      .addSink(makeSink(extensions: [5: 2], mid: (4, [48]), sequenceOffset: 50, retransmission: 0xdddd)),
    ])
    for sequence in sent { _ = try room.received(room.publish(packet(sequence))) }
    return room
  }

  private func packet(_ sequence: UInt16, isKey: Bool = false) -> Packet {
    Packet(
      marker: sequence % 2 == 0, sequence: sequence, timestamp: UInt32(sequence) / 2 * 3000,
      payload: [0x10, isKey ? 0 : 1, UInt8(sequence & 0xff)])
  }

  private func ask(_ sequences: [UInt16], _ room: inout EncryptedRoom, at now: Instant = .zero) throws -> [Packet] {
    room.forwarder.apply(.retransmit(sink, sequences, askedAt: now), now: now)
    return try room.received(room.forwarder.repairs(now: now)).compactMap { $0 }
  }

  private func keyFrames(_ room: inout EncryptedRoom) -> Int {
    room.forwarder.takeEvents(now: .zero).count { if case .keyFrameNeeded(source) = $0 { true } else { false } }
  }

  @Test(
    "The packet comes again under the numbers of its own stream, the original number first", arguments: configurations)
  func repairs(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([
      .addSource(makeSource()),
      .addSink(
        makeSink(extensions: [5: 2], mid: (4, [48]), sequenceOffset: 50, timestampOffset: 7, retransmission: 0xdddd)),
    ])
    let original = Packet(
      marker: true, sequence: 100, timestamp: 9000, extensionProfile: 0xbede, elements: [.init(id: 5, data: [1, 2])],
      payload: [7, 8, 9], padding: 20)
    let media = try room.received(room.publish(original)).compactMap { $0 }
    _ = room.publish(packet(101))
    let again = try ask([150, 151], &room)
    #expect(again.map(\.ssrc) == [0xdddd, 0xdddd] && again.map(\.payloadType) == [121, 121])
    #expect(again.map(\.sequence) == [50, 51], "its own numbers, which begin at random")
    let first = try #require(again.first)
    #expect(first.payload == [0, 150, 7, 8, 9] && first.padding == 0)
    #expect(first.marker && first.timestamp == 9007)
    #expect(first.elements == [.init(id: 4, data: [48]), .init(id: 2, data: [1, 2])])
    #expect(media.first?.elements == first.elements)
    let statistics = try #require(room.forwarder.statistics().sinks.first)
    #expect(statistics.packets == 2, "media alone")
    #expect(statistics.retransmittedPackets == 2 && statistics.repairs[.repaired] == 2)
  }

  @Test("How long it took from the request is counted")
  func repairTime() throws {
    var room = try room()
    room.forwarder.apply(.retransmit(sink, [150, 151], askedAt: milliseconds(1000)), now: milliseconds(1002))
    #expect(room.forwarder.repairs(now: milliseconds(1003)).count == 2)
    #expect(room.forwarder.statistics().sinks.first?.repairNanoseconds == 6_000_000)
  }

  @Test("Once in a round trip, and five times")
  func spacing() throws {
    var room = try room()
    #expect(try ask([150], &room, at: milliseconds(1000)).count == 1)
    #expect(try ask([150], &room, at: milliseconds(1099)).isEmpty, "how long a round trip takes is not known yet")
    room.forwarder.apply(.roundTrip(subscriber(1), .milliseconds(5)), now: .zero)
    #expect(try ask([150], &room, at: milliseconds(1019)).isEmpty)
    #expect(try ask([150], &room, at: milliseconds(1020)).count == 1)
    room.forwarder.apply(.roundTrip(subscriber(1), .milliseconds(300)), now: .zero)
    #expect(try ask([150], &room, at: milliseconds(1319)).isEmpty)
    #expect(room.forwarder.count(.tooSoon) == 3)
    for time: UInt64 in [1320, 1620, 1920] { #expect(try ask([150], &room, at: milliseconds(time)).count == 1) }
    #expect(keyFrames(&room) == 0)
    #expect(try ask([150], &room, at: milliseconds(5000)).isEmpty)
    #expect(room.forwarder.count(.tooOften) == 1)
    #expect(keyFrames(&room) == 1, "it cannot be repaired")
    #expect(try ask([151], &room, at: milliseconds(5000)).count == 1, "others can")
  }

  @Test("Nothing is sent that the receiver was never sent: numbers to come, from before it joined, of another's SSRC")
  func neverSent() throws {
    var room = try room(sent: 100..<105)
    #expect(try ask([155, 149, 0, 32_768, 65_535], &room).isEmpty)
    #expect(room.forwarder.count(.neverSent) == 5)
    room.forwarder.apply([.removeSink(sink), .addSink(makeSink(2, subscriber: 1, ssrc: 7, retransmission: 8))])
    _ = room.publish(packet(105))
    room.forwarder.apply([.retransmit(SinkID(rawValue: 2), Array(100..<105), askedAt: .zero)])
    #expect(!room.forwarder.hasRepairs && room.forwarder.count(.neverSent) == 10)
    #expect(keyFrames(&room) == 0)
  }

  @Test("What is older than the latest key frame is not sent again")
  func superseded() throws {
    var room = try room()
    for sequence: UInt16 in 110..<114 { _ = room.publish(packet(sequence, isKey: sequence < 112)) }
    #expect(try ask([159], &room).isEmpty)
    #expect(room.forwarder.count(.superseded) == 1)
    #expect(try ask([160, 161, 162], &room).count == 3, "the key frame itself is")
    #expect(keyFrames(&room) == 0)
  }

  @Test("What is not kept any more becomes a key-frame request at once")
  func gone() throws {
    var room = try room(sent: 100..<1200)
    #expect(try ask([150], &room).isEmpty)
    #expect(room.forwarder.count(.gone) == 1)
    #expect(keyFrames(&room) == 1)
    #expect(try ask([1200, 1249], &room).count == 2)
  }

  @Test("A receiver that negotiated no retransmissions gets a key frame instead, once a second")
  func notNegotiated() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(sequenceOffset: 50))])
    for sequence: UInt16 in 100..<110 { _ = room.publish(packet(sequence)) }
    for (time, expected) in [(1000, 1), (1500, 0), (1999, 0), (2000, 1)] as [(UInt64, Int)] {
      #expect(try ask([150, 151], &room, at: milliseconds(time)).isEmpty)
      #expect(keyFrames(&room) == expected)
    }
    #expect(room.forwarder.packetCacheStatistics.sources == 0)
  }

  @Test("A receiver that asks for everything gets a quarter of what it was sent")
  func budget() throws {
    var room = try room(sent: 0..<0)
    var sent = 0
    for sequence in UInt16(100)..<3100 {
      let now = milliseconds(UInt64(sequence) * 2)
      _ = room.publish(Packet(sequence: sequence, payload: [UInt8](repeating: 1, count: 1000)), now: now)
      sent += try ask([sequence &+ 50], &room, at: now).count
    }
    #expect(sent > 750 && sent < 1000)
    #expect(room.forwarder.count(.overBudget) == 3000 - UInt64(sent))
  }

  @Test("What one asks for leaves others what they ask for; the queue's end is met and counted")
  func storm() throws {
    var room = try room(sent: 100..<1000)
    for round: UInt64 in 0..<100 {
      room.forwarder.apply(.retransmit(sink, Array(700..<1050), askedAt: .zero), now: milliseconds(1000 * round))
      let now = milliseconds(1000 * round)
      _ = room.forwarder.repairs(now: now)
    }
    #expect(room.forwarder.count(.tooMany) > 30_000)
  }

  @Test("Numbers that wrap are found in the cache as others are")
  func wraps() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(sequenceOffset: 10, retransmission: 0xdddd))])
    for index in UInt64(60_000)..<60_010 { _ = room.publish(packet(UInt16(index))) }
    for index in UInt64(65_500)..<65_600 {
      _ = try room.received(room.publish(packet(UInt16(truncatingIfNeeded: index)), rollovers: index >> 16))
    }
    let asked: [UInt16] = [65_535, 0, 1, 9, 10, 70]
    let again = try ask(asked, &room)
    #expect(again.map { UInt16($0.payload[0]) << 8 | UInt16($0.payload[1]) } == asked)
    #expect(again.map { $0.payload.last } == asked.map { UInt8(truncatingIfNeeded: $0 &- 10) })
  }

  @Test("A sender of clear RTP that begins anew: what was sent before and after is told apart")
  func restarts() throws {
    var random = FixedRandom(3)
    let keys = (try random.keys(.aeadAES128GCM), try random.keys(.aeadAES128GCM))
    var receiver = try Endpoint(sends: keys.0, receives: keys.1)
    var forwarder = Forwarder(cryptography: .preferred)
    forwarder.apply([
      .addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear)),
      .addTransport(
        Transport(id: subscriber(1), tuple: subscriberTuple(1), protection: .srtp(inbound: keys.0, outbound: keys.1))),
      .addSource(makeSource()), .addSink(makeSink(retransmission: 0xdddd)),
    ])
    var numbers: [UInt8: UInt16] = [:]
    for (sequence, mark) in [(5000, 1), (5001, 2), (100, 0), (101, 3), (102, 4)] as [(UInt16, UInt8)] {
      for sent in forwarder.forward(Packet(sequence: sequence, payload: [0x10, 1, mark]), on: publisherTuple) {
        numbers[mark] = try #require(try receiver.open(sent.bytes)).sequence
      }
    }
    #expect(numbers.keys.sorted() == [1, 2, 3, 4])
    forwarder.apply([.retransmit(sink, numbers.values.sorted(), askedAt: .zero)])
    let again = try forwarder.repairs().map { try #require(try receiver.open($0.bytes)).payload }
    #expect(again.count == 4)
    for payload in again { #expect(numbers[payload[4]] == UInt16(payload[0]) << 8 | UInt16(payload[1])) }
  }

  // MARK: From the publisher

  private func retransmission(_ sequence: UInt16, of original: UInt16, payload: [UInt8] = [0x10, 1, 9]) -> Packet {
    Packet(
      payloadType: 97, marker: true, sequence: sequence, timestamp: 77, ssrc: 0xcccc,
      payload: [UInt8(original >> 8), UInt8(original & 0xff)] + payload)
  }

  @Test(
    "A publisher's retransmission goes on as the packet that it repeats, under that one's number",
    arguments: configurations)
  func restored(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([
      .addSource(makeSource()), .addSource(makeRetransmissions()),
      .addSink(makeSink(extensions: [5: 2], sequenceOffset: 50, retransmission: 0xdddd)),
    ])
    for sequence: UInt16 in [100, 102] { _ = try room.received(room.publish(packet(sequence))) }
    var again = retransmission(7, of: 101)
    again.extensionProfile = 0xbede
    again.elements = [.init(id: 5, data: [1, 2, 3])]
    let forwarded = try room.received(room.publish(again)).compactMap { $0 }
    #expect(forwarded.map(\.sequence) == [151] && forwarded.map(\.ssrc) == [0xb001])
    let restored = try #require(forwarded.first)
    #expect(restored.payloadType == 120 && restored.payload == [0x10, 1, 9] && restored.marker)
    #expect(restored.timestamp == 77 && restored.elements == [.init(id: 2, data: [1, 2, 3])])
    #expect(try ask([151], &room).map(\.payload) == [[0, 151, 0x10, 1, 9]], "it is kept, too")
    let statistics = try #require(room.forwarder.statistics().sources.first { $0.id == source })
    #expect(statistics.packets == 2 && statistics.repaired == 1, "the loss is not undone in what publishers are told")
  }

  @Test("A retransmission of what is there, of what is to come, of what is unknown, or of nothing goes nowhere")
  func refused() throws {
    var room = try room()
    #expect(room.publish(retransmission(1, of: 105)).isEmpty)
    #expect(room.publish(retransmission(10, of: 109)).isEmpty, "the latest")
    #expect(room.forwarder.count(.repairedInVain) == 2)
    for (sequence, original) in [(2, 110), (3, 20_000), (4, 40_000)] as [(UInt16, UInt16)] {
      #expect(room.publish(retransmission(sequence, of: original)).isEmpty)
    }
    var unknown = retransmission(5, of: 99)
    unknown.payloadType = 98
    #expect(room.publish(unknown).isEmpty)
    #expect(room.forwarder.count(.unknownRepair) == 4)
    var empty = retransmission(6, of: 0)
    empty.payload = []
    empty.padding = 200
    #expect(room.publish(empty).isEmpty)
    empty.sequence = 7
    empty.payload = [0]
    #expect(room.publish(empty).isEmpty)
    #expect(room.forwarder.count(.emptyRetransmission) == 2)
    room.forwarder.apply([.removeSource(source)])
    #expect(room.publish(retransmission(8, of: 99)).isEmpty)
    #expect(try room.received(room.publish(packet(110))).isEmpty)
  }

  // MARK: Memory

  @Test("Packets are kept while a receiver takes retransmissions, and no longer")
  func onlyWhereWanted() throws {
    var room = try room()
    #expect(room.forwarder.packetCacheStatistics.sources == 1)
    room.forwarder.apply([.removeSink(sink)])
    #expect(room.forwarder.packetCacheStatistics.sources == 0 && room.forwarder.packetCacheStatistics.memory == 0)
    room.forwarder.apply([.addSink(makeSink(2, subscriber: 1, retransmission: 0xdddd))])
    #expect(room.forwarder.packetCacheStatistics.sources == 1)
    room.forwarder.apply([.removeTransport(publisher)])
    #expect(room.forwarder.packetCacheStatistics.memory == 0)
  }

  @Test(
    "A cache grows with what is sent until it holds a second, and shrinks when less will do",
    arguments: [5_000, 150_000, 750_000, 2_000_000])
  func size(bytesPerSecond: Int) throws {
    var room = try room(sent: 0..<0)
    let packetsPerSecond = bytesPerSecond / 1000
    var sequence: UInt16 = 0
    for second in 0..<4 {
      for i in 0..<packetsPerSecond {
        let now = milliseconds(UInt64(second * 1000 + i * 1000 / packetsPerSecond))
        room.forwarder.tend(now: now)
        _ = room.publish(Packet(sequence: sequence % 0x7fff, payload: [UInt8](repeating: 1, count: 970)), now: now)
        sequence &+= 1
      }
    }
    let oldest = sequence &+ 50 &- UInt16(min(1900, packetsPerSecond))
    #expect(try ask([oldest], &room, at: milliseconds(4000)).count == 1)
    let large = room.forwarder.packetCacheStatistics.memory
    for second: UInt64 in 4..<60 { room.forwarder.tend(now: milliseconds(second * 1000)) }
    let small = room.forwarder.packetCacheStatistics.memory
    #expect(small < 80 << 10 && small <= large)
  }

  @Test("All caches together take no more than they may; the largest make room")
  func limit() throws {
    var limits = ForwardingLimits()
    limits.cacheMemory = 1 << 20
    var random = FixedRandom(3)
    var forwarder = Forwarder(cryptography: .preferred, limits: limits)
    let keys = (try random.keys(.aeadAES128GCM), try random.keys(.aeadAES128GCM))
    forwarder.apply([
      .addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear)),
      .addTransport(
        Transport(id: subscriber(1), tuple: subscriberTuple(1), protection: .srtp(inbound: keys.0, outbound: keys.1))),
    ])
    for n in 1...20 {
      let id = SourceID(rawValue: UInt32(n))
      forwarder.apply([
        .addSource(makeSource(id, ssrc: UInt32(n))),
        .addSink(makeSink(n, subscriber: 1, source: id, ssrc: UInt32(2 * n), retransmission: UInt32(2 * n + 1))),
      ])
      let memory = forwarder.packetCacheStatistics.memory
      #expect(memory <= 1 << 20)
    }
    let statistics = forwarder.packetCacheStatistics
    #expect(statistics.shortened > 0 && statistics.sources > 10 && statistics.sources < 20)
    for n in 0..<100 { _ = forwarder.forward(Packet(sequence: UInt16(n), ssrc: 20), on: publisherTuple) }
    forwarder.apply([.retransmit(SinkID(rawValue: 20), [50], askedAt: .zero)])
    #expect(forwarder.count(.gone) + forwarder.count(.repaired) == 1)
  }
}
