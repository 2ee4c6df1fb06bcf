import Forwarding
import SRTP
import Testing
import Wire

extension Forwarder {
  /// As a worker forwards while something is captured: copies are begun, and sealed and sent together.
  mutating func forwardCapturing(
    _ bytes: [UInt8], on tuple: FiveTuple, now: Instant = .zero, sending: Lane? = .socket
  ) -> [Sent] {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 8 * 1600, alignment: 16)
    var copies = (0..<8).map { PacketCopy(packet: memory + $0 * 1600, capacity: 1600) }
    var datagram = bytes
    defer { memory.deallocate() }
    var count = 0
    datagram.withUnsafeMutableBytes { datagram in
      guard receiveCapturing(datagram, on: tuple, lane: .xsk, now: now) > 0 else { return }
      copies.withUnsafeMutableBufferPointer { copies in
        count = beginCopy(into: copies)
        keepClear(copies, count: count)
      }
    }
    finishCopies()
    return copies.prefix(count).map { copy in
      account(copy, sentOn: sending, now: now)
      let bytes = Array(UnsafeRawBufferPointer(start: copy.packet, count: copy.length))
      return Sent(bytes: bytes, transport: copy.transport, sink: copy.sink)
    }
  }

  mutating func capture(_ number: UInt32, _ commands: CaptureCommand...) {
    for command in commands { apply(.capture(CaptureID(rawValue: number), command), now: .zero) }
  }

  /// What a capture recorded, by its number.
  mutating func takeCaptured() -> [UInt32: CapturedPackets] {
    var records: [UInt32: CapturedPackets] = [:]
    for case .captured(let id, let record) in takeCaptured(now: milliseconds(99)) { records[id.rawValue] = record }
    return records
  }
}

extension CapturedPackets {
  func payloads(_ direction: CapturedPacket.Direction) -> [[UInt8]] {
    packets.filter { $0.direction == direction }.map { payload(of: $0) }
  }
}

@Suite struct CaptureTests {
  private let everything = 1 << 20

  @Test("As on the wire and in clear: what arrived, and what the receiver opens", arguments: configurations)
  func whatArrivesAndWhatLeaves(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([
      .addSource(makeSource(red: 63)),
      .addSink(
        makeSink(payloadTypes: [96: 120, 63: 64, 111: 109], extensions: [5: 6], mid: (id: 1, value: [0x31]))),
    ])
    for number in UInt32(1)...2 {
      room.forwarder.capture(
        number, .begin(isDecrypted: number == 2, capacity: everything), .include(publisher), .include(subscriber(1)),
        .collect)
    }
    let packets = (0..<40).map { n in
      // Every other one is RED with a block whose payload type changes.
      let red: [UInt8] = [0x80 | 111, 0, 0, 2, 111, 0xa, 0xb, UInt8(n)]
      return Packet(
        payloadType: n % 2 == 0 ? 96 : 63, sequence: UInt16(n), extensionProfile: 0xbede,
        elements: [.init(id: 5, data: [7])], payload: n % 2 == 0 ? [1, 2, 3, UInt8(n)] : red, padding: n % 3 * 4)
    }
    let sealed = packets.map { room.publisherEnd.seal($0) }
    let sent = sealed.flatMap { room.forwarder.forwardCapturing($0, on: publisherTuple, now: milliseconds(5)) }
    let opened = try room.received(sent).compactMap { $0?.bytes }
    #expect(opened.count == 40)

    let records = room.forwarder.takeCaptured()
    let wire = try #require(records[1])
    let clear = try #require(records[2])
    #expect(wire.payloads(.arrived) == sealed && wire.payloads(.left) == sent.map(\.bytes))
    #expect(clear.payloads(.arrived) == packets.map(\.bytes) && clear.payloads(.left) == opened)
    for record in [wire, clear] {
      #expect(record.until == milliseconds(99) && !record.isLast && record.droppedArrived + record.droppedLeft == 0)
      let arrived = try #require(record.packets.first)
      #expect(
        arrived
          == CapturedPacket(
            at: milliseconds(5), direction: .arrived, transport: publisher, tuple: publisherTuple, source: source,
            lane: .xsk, range: 0..<arrived.range.upperBound))
      let left = try #require(record.packets.first { $0.direction == .left })
      #expect(left.transport == subscriber(1) && left.tuple == subscriberTuple(1) && left.lane == .socket)
      #expect(left.source == source && left.sink == SinkID(rawValue: 1))
    }
    let more = room.forwarder.takeCaptured()
    #expect(more.isEmpty, "nothing was asked for")
  }

  @Test("Retransmissions in clear carry the number that the receiver knows", arguments: SRTPProfile.allCases)
  func retransmissions(profile: SRTPProfile) throws {
    var room = try EncryptedRoom(profile, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(sequenceOffset: 100, retransmission: 0xdddd))])
    room.forwarder.capture(1, .begin(isDecrypted: true, capacity: everything), .include(subscriber(1)), .collect)
    let first = room.publisherEnd.seal(Packet(sequence: 50, payload: [1, 2]))
    var sent = room.forwarder.forwardCapturing(first, on: publisherTuple)
    room.forwarder.apply([.retransmit(SinkID(rawValue: 1), [150], askedAt: .zero)])
    sent += room.forwarder.repairs()
    let opened = try room.received(sent).compactMap { $0?.bytes }
    let record = try #require(room.forwarder.takeCaptured()[1])
    #expect(opened.count == 2 && record.payloads(.left) == opened)
    #expect(try Packet(opened[1]).payload == [0, 150, 1, 2])
    #expect(record.payloads(.arrived).isEmpty, "the publisher's transport is not included")
  }

  @Test("A publisher's retransmission is captured as it arrived", arguments: SRTPProfile.allCases)
  func receivedRetransmission(profile: SRTPProfile) throws {
    var room = try EncryptedRoom(profile, .preferred)
    room.forwarder.apply([.addSource(makeSource()), .addSource(makeRetransmissions()), .addSink(makeSink())])
    for sequence: UInt16 in [50, 52] { _ = room.publish(Packet(sequence: sequence)) }
    room.forwarder.capture(1, .begin(isDecrypted: true, capacity: everything), .include(publisher), .collect)
    let again = Packet(payloadType: 97, sequence: 9, ssrc: 0xcccc, payload: [0, 51, 1, 2])
    let sent = room.forwarder.forwardCapturing(room.publisherEnd.seal(again), on: publisherTuple)
    #expect(try room.received(sent).first??.sequence == 51)
    let record = try #require(room.forwarder.takeCaptured()[1])
    #expect(record.payloads(.arrived) == [again.bytes])
  }

  @Test("What is refused arrived all the same, but has nothing in clear")
  func refused() throws {
    var room = try EncryptedRoom(.aes128CMHMACSHA180, .preferred)
    room.forwarder.apply(.addSource(makeSource()), now: .zero)
    room.forwarder.capture(1, .begin(isDecrypted: false, capacity: everything), .include(publisher), .collect)
    room.forwarder.capture(2, .begin(isDecrypted: true, capacity: everything), .include(publisher), .collect)
    let sealed = room.publisherEnd.seal(Packet(sequence: 1))
    var forged = room.publisherEnd.seal(Packet(sequence: 2))
    forged[forged.count - 1] ^= 1
    let unknown = room.publisherEnd.seal(Packet(sequence: 1, ssrc: 0xeeee))
    let datagrams = [sealed, sealed, forged, unknown, [0x80, 96]]
    for datagram in datagrams {
      let sent = room.forwarder.forwardCapturing(datagram, on: publisherTuple)
      #expect(sent.isEmpty)
    }
    _ = room.forwarder.forwardCapturing(sealed, on: tuple(7))
    let records = room.forwarder.takeCaptured()
    #expect(records[1]?.payloads(.arrived) == datagrams)
    #expect(records[1]?.packets.map(\.isGenuine) == [true, false, false, true, false])
    #expect(records[1]?.packets.map(\.source) == [source, source, source, nil, nil])
    #expect(records[2]?.payloads(.arrived) == [Packet(sequence: 1).bytes, Packet(sequence: 1, ssrc: 0xeeee).bytes])
  }

  @Test("A copy that was not sent did not leave")
  func unsent() throws {
    var forwarder = clearRoom()
    forwarder.apply(.addSink(makeSink()), now: .zero)
    forwarder.capture(1, .begin(isDecrypted: true, capacity: everything), .include(subscriber(1)), .collect)
    let lost = forwarder.forwardCapturing(Packet(sequence: 1).bytes, on: publisherTuple, sending: nil)
    let sent = forwarder.forwardCapturing(Packet(sequence: 2).bytes, on: publisherTuple)
    let record = try #require(forwarder.takeCaptured()[1])
    #expect(lost.count == 1 && record.payloads(.left) == sent.map(\.bytes))
  }

  @Test("What does not fit is counted; there is room again once it is collected")
  func bounded() throws {
    var forwarder = clearRoom()
    forwarder.apply(.addSink(makeSink()), now: .zero)
    forwarder.capture(1, .begin(isDecrypted: false, capacity: 4000), .include(publisher), .include(subscriber(1)))
    let payload = [UInt8](repeating: 1, count: 1000)
    func send(_ sequences: Range<UInt16>) {
      for sequence in sequences {
        _ = forwarder.forwardCapturing(Packet(sequence: sequence, payload: payload).bytes, on: publisherTuple)
      }
    }
    send(0..<10)
    forwarder.capture(1, .collect)
    let record = try #require(forwarder.takeCaptured()[1])
    #expect(record.packets.count == 3 && record.droppedArrived == 8 && record.droppedLeft == 9)
    send(10..<11)
    forwarder.capture(1, .collect)
    let next = try #require(forwarder.takeCaptured()[1])
    #expect(next.packets.count == 2 && next.droppedArrived == 0)
  }

  @Test("The end comes once, with what there is")
  func ending() throws {
    var forwarder = clearRoom()
    forwarder.apply(.addSink(makeSink()), now: .zero)
    forwarder.capture(1, .begin(isDecrypted: false, capacity: everything), .include(publisher))
    _ = forwarder.forwardCapturing(Packet(sequence: 1).bytes, on: publisherTuple)
    forwarder.capture(1, .end)
    _ = forwarder.forwardCapturing(Packet(sequence: 2).bytes, on: publisherTuple)
    let record = try #require(forwarder.takeCaptured()[1])
    #expect(record.isLast && record.payloads(.arrived) == [Packet(sequence: 1).bytes])
    let isCapturing = forwarder.isCapturing
    #expect(!isCapturing)
    forwarder.capture(1, .collect, .include(publisher), .end)
    #expect(forwarder.count(.ignoredCommand) == 3)
  }

  @Test("There are only so many, and each has a name of its own")
  func limited() {
    var forwarder = clearRoom()
    for number in UInt32(0)..<10 { forwarder.capture(number, .begin(isDecrypted: false, capacity: 100)) }
    forwarder.capture(0, .begin(isDecrypted: false, capacity: 100))
    #expect(forwarder.count(.refusedCommand) == 3)
  }

  @Test(
    "The kernel does not forward what is captured, be it the source or a sink", arguments: [publisher, subscriber(1)])
  func kernelLane(transport: TransportID) throws {
    var forwarder = clearRoom(subscribers: 2)
    forwarder.apply([.addSink(makeSink(1)), .addSink(makeSink(2))])
    #expect(refusal(of: forwarder) == nil)
    forwarder.capture(1, .begin(isDecrypted: false, capacity: everything), .include(transport))
    #expect(refusal(of: forwarder) == "it is being captured")
    forwarder.capture(1, .end)
    #expect(refusal(of: forwarder) == nil)
  }

  private func refusal(of forwarder: borrowing Forwarder) -> String? {
    if case .failure(let refusal) = forwarder.kernelRoute(of: source) { refusal.reason } else { nil }
  }
}
