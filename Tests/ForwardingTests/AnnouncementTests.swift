import Forwarding
import SRTP
import Testing
import Wire

/// What `receive` says of packets is the same whether they were announced or not.
@Suite struct AnnouncementTests {
  @Test("A batch with replays, forgeries, strangers and a rollover", arguments: configurations)
  func sameOutcome(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var announced = try EncryptedRoom(configuration.0, configuration.1)
    var plain = try EncryptedRoom(configuration.0, configuration.1)
    let commands: [FastPathCommand] = [.addSource(makeSource()), .addSink(makeSink(ssrc: 7))]
    announced.forwarder.apply(commands)
    plain.forwarder.apply(commands)
    let (gains, library) = (announced.forwarder.gainsFromAnnouncing, announced.forwarder.cryptography)
    #expect(gains == (configuration.0 == .aes128CMHMACSHA180 && library == .ipsecMB))
    var batch: [[UInt8]] = []
    for index in UInt64(65_500)..<65_560 {
      batch.append(
        plain.publisherEnd.seal(
          Packet(
            sequence: UInt16(truncatingIfNeeded: index), payload: [UInt8](repeating: UInt8(index & 0xff), count: 300)),
          rollovers: index >> 16))
      if index % 7 == 0 { batch.append(batch[batch.count - 1]) }
      if index % 11 == 0 {
        var forged = batch[batch.count - 1]
        forged[forged.count - 1] ^= 1
        batch.append(forged)
      }
    }
    batch.append(plain.publisherEnd.seal(Packet(sequence: 1, ssrc: 0x7777, payload: [1, 2, 3])))
    let once = Self.forward(batch, by: &plain.forwarder, announcing: 0)
    for size in [1, 5, 64] {
      var room = try EncryptedRoom(configuration.0, configuration.1)
      room.forwarder.apply(commands)
      #expect(Self.forward(batch, by: &room.forwarder, announcing: size) == once)
      for verdict in [ForwardingVerdict.accepted, .replayed, .authenticationFailed, .unknownSSRC, .forwarded] {
        let (found, expected) = (room.forwarder.count(verdict), plain.forwarder.count(verdict))
        #expect(found == expected, "\(verdict)")
      }
    }
    #expect(once.count == 60)
  }

  @Test("New keys count for a packet that was announced under the old ones")
  func newKeys() throws {
    var room = try EncryptedRoom(.aes128CMHMACSHA180, .ipsecMB)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(ssrc: 7))])
    let keys = try room.random.keys(.aes128CMHMACSHA180)
    var datagram = room.publisherEnd.seal(Packet(sequence: 3, payload: [1, 2, 3]))
    let wanted = datagram.withUnsafeMutableBytes {
      room.forwarder.announce($0, on: publisherTuple)
      room.forwarder.beginAnnounced()
      room.forwarder.apply([
        .removeTransport(publisher),
        .addTransport(
          Transport(id: publisher, tuple: publisherTuple, protection: .srtp(inbound: keys, outbound: keys))),
        .addSource(makeSource()), .addSink(makeSink(ssrc: 7)),
      ])
      return room.forwarder.receive($0, on: publisherTuple, lane: .xsk, now: .zero)
    }
    #expect(wanted == 0)
    let failures = room.forwarder.count(.authenticationFailed)
    #expect(failures == 1)
  }

  @Test("Without a transport that gains there is nothing to announce")
  func gains() throws {
    var room = try EncryptedRoom(.aes128CMHMACSHA180, .ipsecMB)
    room.forwarder.apply([.removeTransport(publisher)])
    let before = room.forwarder.gainsFromAnnouncing
    room.forwarder.apply([.removeTransport(subscriber(1))])
    let after = room.forwarder.gainsFromAnnouncing
    #expect(before && !after)
  }

  /// The copies' octets, in order; `size` packets are announced at a time (0: none is).
  private static func forward(_ batch: [[UInt8]], by forwarder: inout Forwarder, announcing size: Int) -> [[UInt8]] {
    let room = 2048
    let memory = UnsafeMutableRawPointer.allocate(byteCount: (batch.count + 1) * room, alignment: 64)
    defer { memory.deallocate() }
    let datagrams = batch.enumerated().map { number, bytes in
      let place = UnsafeMutableRawBufferPointer(start: memory + number * room, count: bytes.count)
      place.copyBytes(from: bytes)
      return place
    }
    var copies = [PacketCopy(packet: memory + batch.count * room, capacity: room)]
    var sent: [[UInt8]] = []
    for (number, datagram) in datagrams.enumerated() {
      if size > 0, number % size == 0 {
        forwarder.forgetAnnounced()
        for other in datagrams[number...].prefix(size) { forwarder.announce(other, on: publisherTuple) }
        forwarder.beginAnnounced()
      }
      guard forwarder.receive(datagram, on: publisherTuple, lane: .xsk, now: .zero) > 0 else { continue }
      let count = copies.withUnsafeMutableBufferPointer { forwarder.copy(into: $0) }
      for copy in copies.prefix(count) {
        sent.append(Array(UnsafeRawBufferPointer(start: copy.packet, count: copy.length)))
        forwarder.account(copy, sentOn: .xsk, now: .zero)
      }
    }
    return sent
  }
}
