import Forwarding
import SRTP
import Testing
import Wire

/// One (key, SSRC, index) never names two packets: under GCM that would give the authentication key away.
@Suite struct IndexReuseTests {
  @Test(
    "Pauses, late packets, removal and return: no index twice, and the receiver opens everything",
    arguments: SRTPProfile.allCases)
  func neverTwice(profile: SRTPProfile) throws {
    var room = try EncryptedRoom(profile, .preferred)
    room.forwarder.apply([.addSource(makeSource())])
    var used: Set<UInt16> = []
    var sinkNumber = 0
    var sent = 0
    var highest: UInt64 = 1000
    var random = FixedRandom(5)
    for step in 0..<3000 {
      switch step % 500 {
      case 0:
        // The same SSRC under the same keys, by another sink that would begin with the same numbers again.
        if sinkNumber > 0 { room.forwarder.apply([.removeSink(SinkID(rawValue: UInt32(sinkNumber)))]) }
        sinkNumber += 1
        let offset = 1000 &- UInt16(truncatingIfNeeded: highest)
        room.forwarder.apply([
          .addSink(makeSink(sinkNumber, subscriber: 1, ssrc: 7, sequenceOffset: offset))
        ])
      case 200, 350: room.forwarder.apply([.pauseSink(SinkID(rawValue: UInt32(sinkNumber)), true)])
      case 230, 400: room.forwarder.apply([.pauseSink(SinkID(rawValue: UInt32(sinkNumber)), false)])
      default: break
      }
      let late = random.next() % 4 == 0
      let index = late ? highest - random.next() % 60 : highest + 1 + random.next() % 3
      highest = max(highest, index)
      let copies = room.publish(
        Packet(sequence: UInt16(truncatingIfNeeded: index), payload: random.bytes(20)), rollovers: index >> 16)
      for opened in try room.received(copies) {
        let packet = try #require(opened)
        #expect(used.insert(packet.sequence).inserted, "sequence number \(packet.sequence) twice")
        sent += 1
      }
    }
    #expect(sent > 2000)
    #expect(room.forwarder.count(.beforeSink) > 10)
  }

  @Test("Older than the sink's first packet and below index 0: not sent")
  func noUnderflow() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource())])
    _ = room.publish(Packet(sequence: 65_000))
    room.forwarder.apply([.addSink(makeSink(sequenceOffset: 536))])  // 65 000 + 536 = 65 536
    #expect(try room.received(room.publish(Packet(sequence: 65_002))).map { $0?.sequence } == [2])
    #expect(try room.received(room.publish(Packet(sequence: 65_001))).map { $0?.sequence } == [1])
    #expect(room.publish(Packet(sequence: 64_999)).isEmpty)
    #expect(room.forwarder.count(.beforeSink) == 1)
    #expect(try room.received(room.publish(Packet(sequence: 65_003))).map { $0?.sequence } == [3])
  }

  @Test("A sink that starts just below a rollover may lose its first packets")
  func startsNearRollover() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink())])
    var sent: [Sent] = []
    for index in UInt64(65_530)..<65_546 {
      sent += room.publish(Packet(sequence: UInt16(truncatingIfNeeded: index)), rollovers: index >> 16)
    }
    // The first packet that arrives is one after the source's rollover.
    let opened = try room.received(Array(sent.dropFirst(10))).map { $0?.sequence }
    #expect(opened == (UInt16(32_772)..<32_778).map { $0 })
  }

  @Test("Two live sinks cannot share a transport and an SSRC")
  func sharedSSRC() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([
      .addSource(makeSource()), .addSink(makeSink(1, ssrc: 7)), .addSink(makeSink(2, subscriber: 1, ssrc: 7)),
    ])
    #expect(room.forwarder.count(.refusedCommand) == 1)
    #expect(room.publish(Packet()).count == 1)
  }

  @Test("Any number of SSRCs one after the other; one that was forgotten is refused, one that is remembered goes on")
  func manySSRCs() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource())])
    var sequence: UInt16 = 0
    func sends(_ ssrc: UInt32, _ room: inout EncryptedRoom) throws -> UInt16? {
      sequence += 1
      room.forwarder.apply([.addSink(makeSink(Int(sequence), subscriber: 1, ssrc: ssrc, sequenceOffset: 0 &- sequence))]
      )
      let opened = try room.received(room.publish(Packet(sequence: sequence)))
      room.forwarder.apply([.removeSink(SinkID(rawValue: UInt32(sequence)))])
      return opened.first??.sequence
    }
    for ssrc in UInt32(1000)..<21_000 { #expect(try sends(ssrc, &room) == 0) }
    #expect(room.forwarder.count(.refusedCommand) == 0)
    #expect(try sends(20_999, &room) == 1)
    #expect(try sends(20_999, &room) == 2)
    #expect(try sends(1000, &room) == nil)
    #expect(try sends(999, &room) == nil)
    #expect(room.forwarder.count(.refusedCommand) == 2)
  }

  @Test("Clear receivers may use one SSRC again and again")
  func clear() throws {
    var forwarder = clearRoom()
    for n in 1...10_000 {
      forwarder.apply([.addSink(makeSink(n, subscriber: 1, ssrc: UInt32(20_000 - n % 5000)))])
      forwarder.apply([.removeSink(SinkID(rawValue: UInt32(n)))])
    }
    #expect(forwarder.count(.refusedCommand) == 0)
  }
}
