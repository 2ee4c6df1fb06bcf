import Forwarding
import SRTP
import Testing
import Wire

/// A sender of clear RTP that begins anew under the same SSRC (RFC 3550 appendix A.1).
@Suite struct RestartTests {
  private func send(_ sequences: [UInt16], to forwarder: inout Forwarder) throws -> [UInt16] {
    var sent: [UInt16] = []
    for sequence in sequences {
      sent += try forwarder.forward(Packet(sequence: sequence), on: publisherTuple).map { try $0.packet.sequence }
    }
    return sent
  }

  @Test(
    "The second packet in sequence shows it; nothing counts as lost", arguments: [30_000, 49_000, 49_800] as [UInt16])
  func restarts(at first: UInt16) throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    let before = (0..<2000).map { UInt16(48_000 + $0) }
    #expect(try send(before, to: &forwarder).count == 2000)
    let after = (0..<1000).map { first &+ UInt16($0) }
    #expect(try send(after, to: &forwarder) == Array(after[1...]))
    let counted = try #require(forwarder.statistics().sources.first)
    #expect(counted.packets == 2999 && counted.replays == 1)
    #expect(counted.highestSequence - counted.firstSequence + 1 == 2999)
    #expect(UInt16(truncatingIfNeeded: counted.highestSequence) == first + 999)
  }

  @Test("A single packet from long ago, duplicates and late packets show nothing")
  func noRestart() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    _ = try send(Array(10_000..<15_000), to: &forwarder)
    #expect(try send([9000, 15_000, 14_901, 14_902, 9000, 9500, 15_001], to: &forwarder) == [15_000, 15_001])
    #expect(forwarder.statistics().sources.first?.highestSequence == 15_001)
  }

  @Test("Receivers of encrypted copies see neither gap nor index twice", arguments: SRTPProfile.allCases)
  func encrypted(profile: SRTPProfile) throws {
    var room = try EncryptedRoom(profile, .preferred)
    let camera = TransportID(rawValue: 77)
    var sourceOfCamera = makeSource()
    sourceOfCamera.transport = camera
    room.forwarder.apply([
      .addTransport(Transport(id: camera, tuple: tuple(7777), protection: .clear)), .addSource(sourceOfCamera),
      .addSink(makeSink(ssrc: 7)),
    ])
    var received: [UInt16] = []
    for sequence in (20_000..<23_000).map({ $0 }) + (0..<3000).map({ $0 }) + (40_000..<41_000).map({ $0 }) as [UInt16] {
      let copies = room.forwarder.forward(Packet(sequence: sequence), on: tuple(7777))
      for opened in try room.received(copies) { received.append(try #require(opened).sequence) }
    }
    // Forward by less than half the numbers: a gap. Back: none.
    let expected = (20_000..<23_000).map { $0 } + (23_000..<25_999).map { $0 } as [UInt16]
    #expect(Array(received.prefix(5999)) == expected)
    #expect(Set(received).count == received.count && received.count >= 5999 + 999)
  }

  @Test("On an encrypted transport an old packet stays a replay")
  func replays() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink())])
    for sequence in UInt16(0)..<3000 { _ = room.publish(Packet(sequence: sequence)) }
    for sequence in UInt16(0)..<100 { #expect(room.publish(Packet(sequence: sequence)).isEmpty) }
    #expect(room.forwarder.count(.replayed) == 100)
  }

  @Test("What the kernel skipped is not lost either")
  func kernel() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    _ = try send([50_000, 50_001], to: &forwarder)
    var counts = KernelSourceCounts()
    // The source restarted behind 50 001 and went on with 9 of the next rollover: between the two nothing was sent.
    (counts.packets, counts.skipped) = (10, 0x1_0000 + 9 - 50_001 - 1)
    counts.highestSequence = 0x2_0000 + 18
    forwarder.absorb(counts, of: source)
    let counted = try #require(forwarder.statistics().sources.first)
    #expect(counted.highestSequence - counted.firstSequence + 1 == 12)
    #expect(try send([19, 20], to: &forwarder) == [19, 20])
  }
}
