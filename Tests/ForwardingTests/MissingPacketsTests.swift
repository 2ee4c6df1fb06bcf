import Forwarding
import SRTP
import Testing
import Wire

/// What a publisher's packets leave missing, and what it is asked for.
@Suite struct MissingPacketsTests {
  private func room() throws -> EncryptedRoom {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([
      .addSource(makeAnsweringSource()), .addSource(makeRetransmissions()),
      .addSink(makeSink(sequenceOffset: 50, retransmission: 0xdddd)),
    ])
    return room
  }

  private func publish(
    _ sequence: UInt16, rollovers: UInt64 = 0, _ room: inout EncryptedRoom, isKey: Bool = false, at now: UInt64 = 0
  ) throws -> [UInt16] {
    let packet = Packet(sequence: sequence, timestamp: UInt32(sequence), payload: [0x10, isKey ? 0 : 1, 9])
    return try room.received(room.publish(packet, rollovers: rollovers, now: milliseconds(now))).compactMap {
      $0?.sequence
    }
  }

  private func retransmit(_ original: UInt16, as sequence: UInt16, _ room: inout EncryptedRoom, at now: UInt64) -> Int {
    let packet = Packet(
      payloadType: 97, sequence: sequence, ssrc: 0xcccc,
      payload: [UInt8(original >> 8), UInt8(original & 0xff), 0x10, 1])
    return room.publish(packet, now: milliseconds(now)).count
  }

  private func told(_ room: inout EncryptedRoom, at now: UInt64) -> (missing: [UInt16], keyFrames: Int) {
    var told = (missing: [UInt16](), keyFrames: 0)
    for event in room.forwarder.takeEvents(now: milliseconds(now)) {
      if case .missing(source, let sequences) = event { told.missing += sequences }
      if case .keyFrameNeeded(source) = event { told.keyFrames += 1 }
    }
    return told
  }

  @Test("A gap is asked for at once, and again after a round trip, longer each time, and given up in the end")
  func asking() throws {
    var room = try room()
    _ = try publish(65_534, &room, at: 1000)
    _ = try publish(1, rollovers: 1, &room, at: 1000)
    #expect(told(&room, at: 1000).missing == [0, 65_535])
    var times: [UInt64] = []
    var keyFrames: [UInt64] = []
    for now: UInt64 in 1001..<3000 {
      let told = told(&room, at: now)
      if !told.missing.isEmpty { times.append(now) }
      if told.keyFrames > 0 { keyFrames.append(now) }
    }
    #expect(times == [1115, 1259, 1439, 1664, 1945])
    #expect(keyFrames == [1439, 2296], "unanswered for two long round trips, and given up")
    let idle = room.forwarder.nextDue == Instant(nanoseconds: .max)
    #expect(idle)
    let statistics = try #require(room.forwarder.statistics().sources.first { $0.id == source })
    #expect(statistics.missing == 2 && statistics.requested == 12 && statistics.unrepaired == 2)
  }

  @Test(
    "A sender far away is known to be, though it was asked again before it could answer, and no key frame is asked for")
  func farAway() throws {
    var room = try room()
    var keyFrames = 0
    var asked: [Int] = []
    for (gap, start) in [UInt64(1000), 3000, 5000].enumerated() {
      let sequence = UInt16(100 + 10 * gap)
      for number in [sequence, sequence + 2] { _ = try publish(number, &room, at: start) }
      var times = 0
      for now in start..<start + 300 {
        let told = told(&room, at: now)
        times += told.missing.isEmpty ? 0 : 1
        keyFrames += told.keyFrames
      }
      asked.append(times)
      #expect(retransmit(sequence + 1, as: UInt16(gap), &room, at: start + 300) == 1)
      for number in sequence + 3..<sequence + 10 { _ = try publish(number, &room, at: start + 300) }
    }
    #expect(asked == [3, 1, 1] && keyFrames == 0)
    #expect(room.forwarder.statistics().sources.first { $0.id == source }?.roundTrip == .milliseconds(300))
  }

  @Test("What comes is not asked for again; how soon it came is the round trip")
  func answered() throws {
    var room = try room()
    for sequence: UInt16 in [100, 102] { _ = try publish(sequence, &room, at: 1000) }
    #expect(told(&room, at: 1000).missing == [101])
    #expect(retransmit(101, as: 1, &room, at: 1030) == 1)
    for now: UInt64 in 1030..<1500 { #expect(told(&room, at: now).missing.isEmpty) }
    _ = try publish(104, &room, at: 1500)
    let times = (UInt64(1500)..<1580).filter { !told(&room, at: $0).missing.isEmpty }
    #expect(times == [1500, 1538], "1.1 times 30 ms and 5")
    let statistics = try #require(room.forwarder.statistics().sources.first { $0.id == source })
    #expect(statistics.repaired == 1 && statistics.repairNanoseconds == 30_000_000)
    #expect(statistics.roundTrip == .milliseconds(30))
  }

  @Test("Retransmissions have no jitter: their timestamps are those of what they repeat")
  func jitter() throws {
    var room = try room()
    for n: UInt16 in 0..<20 {
      let now = 1000 + UInt64(n) * 700
      for sequence in [100 + 2 * n, 102 + 2 * n] where sequence == 100 || sequence > 100 + 2 * n {
        _ = try publish(sequence, &room, at: now)
      }
      #expect(retransmit(101 + 2 * n, as: n, &room, at: now + UInt64(n % 3) * 10) == 1)
    }
    let statistics = room.forwarder.statistics().sources
    #expect(statistics.first { $0.id != source }?.packets == 20)
    #expect(statistics.first { $0.id != source }?.jitter == 0)
    #expect(statistics.first { $0.id == source }?.jitter != 0)
  }

  @Test(
    "Where packets come out of order they have 5 to 20 ms before they are asked for",
    arguments: [(UInt64(1), UInt64(5)), (40, 20)])
  func reordering(late: UInt64, wait: UInt64) throws {
    var room = try room()
    var sequence: UInt16 = 100
    for round in 0..<50 {
      let start = 1000 + UInt64(round) * 100
      _ = try publish(sequence, &room, at: start)
      _ = try publish(sequence + 2, &room, at: start)
      if round == 0 { #expect(told(&room, at: start).missing == [101], "nothing was known yet") }
      #expect(try publish(sequence + 1, &room, at: start + late) == [sequence + 51])
      _ = told(&room, at: start + late)
      sequence += 3
    }
    _ = try publish(sequence + 1, &room, at: 9000)
    let asked = (UInt64(9000)..<9050).first { !told(&room, at: $0).missing.isEmpty }
    #expect(asked == 9000 + wait)
  }

  @Test("A long gap is not filled: a key frame is asked for, unless one comes by itself", arguments: [false, true])
  func jump(comesByItself: Bool) throws {
    var room = try room()
    for sequence: UInt16 in [100, 102, 300] { _ = try publish(sequence, &room, at: 1000) }
    #expect(told(&room, at: 1050).missing.isEmpty)
    if comesByItself { _ = try publish(301, &room, isKey: true, at: 1060) }
    #expect(told(&room, at: 1099).keyFrames == 0)
    #expect(told(&room, at: 1100).keyFrames == (comesByItself ? 0 : 1))
    #expect(told(&room, at: 3000).missing.isEmpty)
  }

  @Test("After a key frame nobody needs what was before it")
  func keyFrame() throws {
    var room = try room()
    for sequence: UInt16 in [100, 103] { _ = try publish(sequence, &room, at: 1000) }
    _ = try publish(105, &room, isKey: true, at: 1000)
    _ = try publish(107, &room, at: 1000)
    #expect(told(&room, at: 1000).missing == [106])
  }

  @Test("What the worker awaits it does not ask for twice, however many receivers miss it")
  func awaited() throws {
    var room = try room()
    for sequence: UInt16 in [100, 102] { _ = try publish(sequence, &room, at: 1000) }
    #expect(told(&room, at: 1000).missing == [101])
    for _ in 0..<2 {
      room.forwarder.apply(.retransmit(SinkID(rawValue: 1), [151], askedAt: .zero), now: milliseconds(1001))
    }
    #expect(room.forwarder.count(.awaited) == 2 && !room.forwarder.hasRepairs)
    #expect(told(&room, at: 1001).missing.isEmpty)
    #expect(retransmit(101, as: 1, &room, at: 1040) == 1)
    room.forwarder.apply(.retransmit(SinkID(rawValue: 1), [151], askedAt: .zero), now: milliseconds(1050))
    #expect(room.forwarder.repairs().count == 1, "lost on the way down as well")
  }

  @Test("What is lost on the way in, and so for five hundred receivers, is one NACK to its sender and none answered")
  func oneForAll() throws {
    var room = try room()
    for n in 2...500 {
      let keys = (try room.random.keys(.aeadAES128GCM), try room.random.keys(.aeadAES128GCM))
      room.forwarder.apply([
        .addTransport(
          Transport(
            id: subscriber(n), tuple: subscriberTuple(n), protection: .srtp(inbound: keys.0, outbound: keys.1))),
        .addSink(makeSink(n, sequenceOffset: 50, retransmission: UInt32(0xd0000 + n))),
      ])
    }
    var asked: [UInt16] = []
    for sequence: UInt16 in [100, 102] {
      let packet = Packet(sequence: sequence, timestamp: UInt32(sequence), payload: [0x10, 1, 9])
      #expect(room.publish(packet, now: milliseconds(1000)).count == 500)
    }
    asked += told(&room, at: 1000).missing
    for n in 1...500 {
      room.forwarder.apply(.retransmit(SinkID(rawValue: UInt32(n)), [151], askedAt: .zero), now: milliseconds(1010))
    }
    asked += told(&room, at: 1010).missing
    #expect(asked == [101])
    #expect(room.forwarder.count(.awaited) == 500 && !room.forwarder.hasRepairs)
    #expect(retransmit(101, as: 1, &room, at: 1040) == 500, "everybody gets it late, under its own number")
    #expect(told(&room, at: 1040).missing.isEmpty && !room.forwarder.hasRepairs)
  }

  @Test("Whoever answers no NACKs is not asked")
  func unasked() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(sequenceOffset: 50, retransmission: 0xdddd))])
    for sequence: UInt16 in [100, 102] { _ = try publish(sequence, &room) }
    #expect(told(&room, at: 0).missing.isEmpty)
    room.forwarder.apply(.retransmit(SinkID(rawValue: 1), [151], askedAt: .zero), now: .zero)
    let told = told(&room, at: 0)
    #expect(told.missing.isEmpty && told.keyFrames == 1)
  }

  @Test("Padding alone has no number at the receiver")
  func padding() throws {
    var room = try room()
    func pad(_ sequence: UInt16, _ room: inout EncryptedRoom) -> Int {
      room.publish(Packet(sequence: sequence, payload: [], padding: 100)).count
    }
    #expect(try publish(100, &room) == [150])
    #expect(pad(101, &room) == 0 && pad(102, &room) == 0)
    #expect(try publish(103, &room) == [151])
    // 104 is missing, 105 is padding, and what is behind it is known to be.
    #expect(pad(105, &room) == 0)
    #expect(try publish(106, &room) == [153])
    #expect(try publish(104, &room) == [152])
    // 107 turns out to be padding when its number is taken.
    #expect(try publish(108, &room) == [155])
    #expect(pad(107, &room) == 0)
    #expect(try publish(109, &room) == [156])
    room.forwarder.apply(.retransmit(SinkID(rawValue: 1), [150, 151, 152, 153, 154, 155], askedAt: .zero), now: .zero)
    let again = try room.received(room.forwarder.repairs()).compactMap { $0?.payload }
    #expect(again.map { $0[1] } == [150, 151, 152, 153, 154, 155])
    #expect(again.map(\.count) == [5, 5, 5, 5, 2, 5], "nothing but its number")
    #expect(room.forwarder.count(.padding) == 4)
  }

  @Test("Thousands of packets of padding lose no number", arguments: [UInt16(2), 3, 50])
  func muchPadding(period: UInt16) throws {
    var room = try room()
    var expected: UInt16 = 50
    for sequence in UInt16(0)..<6000 {
      if sequence % period == 1 {
        _ = room.publish(Packet(sequence: sequence, payload: [], padding: 9))
      } else {
        #expect(try publish(sequence, &room) == [expected])
        expected += 1
      }
    }
    room.forwarder.apply(.retransmit(SinkID(rawValue: 1), [expected - 1, expected - 100], askedAt: .zero), now: .zero)
    #expect(try room.received(room.forwarder.repairs()).count == 2)
  }
}
