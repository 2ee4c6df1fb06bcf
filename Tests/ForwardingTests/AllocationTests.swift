import AllocationCount
import Forwarding
import SRTP
import Testing
import Wire

/// Nothing on the way of a packet allocates.
@Suite struct AllocationTests {
  private static let batch = 32
  private static let batches = 40
  private static let sinks = 3
  private static let place = 2048

  @Test("In batches as the worker makes them", arguments: configurations)
  func steadyState(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    var audio = makeSource()
    audio.kind = .audio
    room.forwarder.apply([.readExtensions(publisher, ReadExtensions(mid: 1, audioLevel: 5)), .addSource(audio)])
    room.forwarder.apply(
      (1...Self.sinks).map {
        .addSink(
          makeSink($0, subscriber: 1, extensions: [5: 2], mid: (4, [48]), retransmission: UInt32(0xd000 + $0)))
      })
    let elements = [Packet.Element(id: 1, data: [48]), Packet.Element(id: 5, data: [30])]
    let datagrams = Self.place(
      (0..<Self.batch * Self.batches).map {
        room.publisherEnd.seal(
          Packet(
            sequence: UInt16($0), extensionProfile: 0xbede, elements: elements,
            payload: [UInt8](repeating: UInt8($0 & 0xff), count: 1100)))
      })
    let copies = UnsafeMutableBufferPointer<PacketCopy>.allocate(capacity: Self.batch * Self.sinks)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: copies.count * Self.place, alignment: 64)
    for i in copies.indices {
      (copies.baseAddress! + i).initialize(to: PacketCopy(packet: memory + i * Self.place, capacity: Self.place))
    }
    defer {
      for datagram in datagrams { datagram.deallocate() }
      datagrams.deallocate()
      copies.deallocate()
      memory.deallocate()
    }
    // What the first packets leave behind for those to come.
    let first = Self.forward(datagrams, 0..<Self.batches / 2, copies, by: &room.forwarder)
    let before = allocation_count()
    let rest = Self.forward(datagrams, Self.batches / 2..<Self.batches, copies, by: &room.forwarder)
    let allocations = allocation_count() - before
    #expect(room.forwarder.statistics().sources.first?.audioLevels == UInt64(datagrams.count))
    // OpenSSL's HMAC takes memory of its own.
    let isOfOpenSSL = configuration.0 == .aes128CMHMACSHA180 && room.forwarder.cryptography == .openSSL
    #expect(allocations == 0 || isOfOpenSSL)
    let lost = UInt16(Self.batch * Self.batches - 20)
    room.forwarder.apply([.retransmit(SinkID(rawValue: 1), Array(lost..<lost + 10), askedAt: .zero)])
    _ = room.forwarder.beginRepairs(into: copies)
    room.forwarder.finishCopies()
    room.forwarder.apply([.retransmit(SinkID(rawValue: 1), Array(lost + 10..<lost + 20), askedAt: .zero)])
    let beforeRepairs = allocation_count()
    let repairs = room.forwarder.beginRepairs(into: copies)
    room.forwarder.finishCopies()
    let repairing = allocation_count() - beforeRepairs
    #expect(repairs == 10 && (repairing == 0 || isOfOpenSSL))
    #expect(first + rest == datagrams.count * Self.sinks)
  }

  @Test("An allocation is counted")
  func counts() {
    let before = allocation_count()
    let bytes = [UInt8](repeating: 1, count: Int.random(in: 1...100))
    #expect(allocation_count() > before && bytes[0] == 1)
  }

  private static func place(_ packets: [[UInt8]]) -> UnsafeMutableBufferPointer<UnsafeMutableRawBufferPointer> {
    let placed = UnsafeMutableBufferPointer<UnsafeMutableRawBufferPointer>.allocate(capacity: packets.count)
    for (i, packet) in packets.enumerated() {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: packet.count, alignment: 1)
      memory.copyBytes(from: packet)
      (placed.baseAddress! + i).initialize(to: memory)
    }
    return placed
  }

  /// How many copies were made.
  private static func forward(
    _ datagrams: UnsafeMutableBufferPointer<UnsafeMutableRawBufferPointer>, _ batches: Range<Int>,
    _ copies: UnsafeMutableBufferPointer<PacketCopy>, by forwarder: inout Forwarder
  ) -> Int {
    var sent = 0
    for number in batches {
      let range = number * batch..<(number + 1) * batch
      var made = 0
      for i in range { forwarder.announce(datagrams[i], on: publisherTuple) }
      forwarder.beginAnnounced()
      for i in range where forwarder.receive(datagrams[i], on: publisherTuple, lane: .xsk, now: .zero) > 0 {
        made += forwarder.beginCopy(into: UnsafeMutableBufferPointer(rebasing: copies[made...]))
      }
      forwarder.forgetAnnounced()
      forwarder.finishCopies()
      for i in 0..<made { forwarder.account(copies[i], sentOn: .xsk, now: .zero) }
      sent += made
    }
    return sent
  }
}
