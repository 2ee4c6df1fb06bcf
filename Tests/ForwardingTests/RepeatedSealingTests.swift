import Forwarding
import SRTP
import Testing
import Wire

/// Whatever is lost, reordered, asked for again, paused, ended and begun anew: each sealed packet has an index of its own, and
/// each retransmission is of the packet that its receiver knows by that number.
@Suite struct RepeatedSealingTests {
  @Test(
    "Random networks",
    arguments: [
      (SRTPProfile.aeadAES128GCM, UInt64(1)), (.aeadAES128GCM, 2), (.aes128CMHMACSHA180, 3), (.aeadAES256GCM, 4),
    ])
  func random(profile: SRTPProfile, seed: UInt64) throws {
    var network = try LossyNetwork(profile, seed: seed)
    for _ in 0..<6000 { try network.step() }
    let (media, retransmissions) = (network.media, network.retransmissions)
    #expect(media > 1500 && retransmissions > 300)
    #expect(network.room.forwarder.count(.padding) > 100)
    #expect(network.room.forwarder.count(.sealingFailed) == 0)
  }
}

/// A publisher whose packets get lost and come late or again, and one receiver who misses some of what it is sent.
private struct LossyNetwork: ~Copyable {
  var room: EncryptedRoom
  private var random: FixedRandom
  private var time: UInt64 = 0
  private var highest: UInt64 = 3000
  /// Indices on their way, or lost.
  private var late: [UInt64] = []
  private var nextRetransmission: UInt64 = 0
  private var sinkNumber = 0
  private var isPaused = false
  /// Every (SSRC, sequence number) that was sealed: no SSRC sends 65536 packets here.
  private var sealed: Set<UInt64> = []
  /// What was sent as media, by sequence number.
  private var payloads: [UInt16: [UInt8]] = [:]
  private(set) var media = 0
  private(set) var retransmissions = 0

  private static let mediaSSRC: UInt32 = 7
  private static let retransmissionSSRC: UInt32 = 8

  init(_ profile: SRTPProfile, seed: UInt64) throws {
    room = try EncryptedRoom(profile, .preferred)
    random = FixedRandom(seed)
    room.forwarder.apply([.addSource(makeAnsweringSource()), .addSource(makeRetransmissions())])
    begin()
  }

  mutating func step() throws {
    time += 1 + random.next() % 4
    switch random.next() % 100 {
    case 0: begin()
    case 1, 2, 3:
      guard isPaused || random.next() % 3 == 0 else { break }
      isPaused.toggle()
      room.forwarder.apply([.pauseSink(sink, isPaused)])
    case 4..<20: if !late.isEmpty { try arrive(late.remove(at: pick(late.count)), again: true) }
    case 20..<30: if !late.isEmpty { try arrive(late.remove(at: pick(late.count)), again: false) }
    case 30..<60: try ask()
    default:
      highest += 1
      if random.next() % 5 == 0 { late.append(highest) } else { try arrive(highest, again: false) }
    }
    late.removeAll { highest - $0 > 1500 }
    room.forwarder.tend(now: now)
    _ = room.forwarder.takeEvents(now: now)
  }

  private var sink: SinkID { SinkID(rawValue: UInt32(sinkNumber)) }
  private var now: Instant { milliseconds(time) }
  private mutating func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

  /// The receiver's copy ends, if there is one, and begins anew under the same SSRCs and keys.
  private mutating func begin() {
    if sinkNumber > 0 { room.forwarder.apply([.removeSink(sink)]) }
    sinkNumber += 1
    isPaused = false
    room.forwarder.apply([
      .addSink(
        makeSink(
          sinkNumber, subscriber: 1, ssrc: Self.mediaSSRC, sequenceOffset: UInt16(random.next() % 4),
          retransmission: Self.retransmissionSSRC))
    ])
  }

  private mutating func arrive(_ index: UInt64, again: Bool) throws {
    // Whoever asks for a packet again gets the same.
    var contents = FixedRandom(index)
    let isPadding = index % 10 == 3
    let payload = isPadding ? [] : [0x10, UInt8(index % 200 == 0 ? 0 : 1)] + contents.bytes(10)
    let sequence = UInt16(truncatingIfNeeded: index)
    if again {
      nextRetransmission += 1
      let packet = Packet(
        payloadType: 97, sequence: UInt16(nextRetransmission), timestamp: UInt32(index), ssrc: 0xcccc,
        payload: [UInt8(sequence >> 8), UInt8(sequence & 0xff)] + payload)
      try check(room.publish(packet, now: now))
    } else {
      try check(
        room.publish(
          Packet(sequence: sequence, timestamp: UInt32(index), payload: payload, padding: isPadding ? 30 : 0),
          rollovers: index >> 16, now: now))
    }
  }

  /// The receiver asks for some of the latest, and for some that never were.
  private mutating func ask() throws {
    guard let latest = payloads.keys.randomElement(by: &random) else { return }
    let wanted = (0..<1 + random.next() % 17).map { latest &+ UInt16($0) }
    room.forwarder.apply(.retransmit(sink, wanted, askedAt: now), now: now)
    try check(room.forwarder.repairs(now: now))
  }

  private mutating func check(_ sent: [Sent]) throws {
    for packet in try room.received(sent) {
      let packet = try #require(packet, "the receiver opens everything")
      #expect(
        sealed.insert(UInt64(packet.ssrc) << 16 | UInt64(packet.sequence)).inserted,
        "SSRC \(packet.ssrc), number \(packet.sequence) twice")
      if packet.ssrc == Self.mediaSSRC {
        media += 1
        #expect(payloads.updateValue(packet.payload, forKey: packet.sequence).map { $0 == packet.payload } ?? true)
      } else {
        retransmissions += 1
        let original = UInt16(packet.payload[0]) << 8 | UInt16(packet.payload[1])
        // What came while the copy was paused has a number of which only the retransmission was sent.
        let payload = Array(packet.payload.dropFirst(2))
        #expect(payloads.updateValue(payload, forKey: original).map { $0 == payload } ?? true)
      }
    }
  }
}

extension Dictionary.Keys where Key == UInt16 {
  /// One of the latest few hundred, the same in each run.
  fileprivate func randomElement(by random: inout FixedRandom) -> UInt16? {
    guard let highest = self.max() else { return nil }
    return highest &- UInt16(random.next() % 300)
  }
}
