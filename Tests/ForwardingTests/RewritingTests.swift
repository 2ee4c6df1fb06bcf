import Forwarding
import Testing
import Wire

@Suite struct RewritingTests {
  @Test("SSRC, payload type, sequence number and timestamp are the sink's; the rest stays")
  func fixedHeader() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink(ssrc: 77, sequenceOffset: 65_535, timestampOffset: .max))])
    var packet = Packet(marker: true, sequence: 0, timestamp: 0, csrcs: [5, 6], payload: [9, 8, 7])
    let sent = forwarder.forward(packet, on: publisherTuple)
    packet.payloadType = 120
    packet.sequence = 65_535
    packet.timestamp = .max
    packet.ssrc = 77
    #expect(try sent.map { try $0.packet } == [packet])
    #expect(sent.first?.transport == forwarder.index(of: subscriber(1)))
  }

  @Test("Every sink gets its copy, over several calls")
  func manySinks() throws {
    var forwarder = clearRoom(subscribers: 37)
    for n in 1...37 { forwarder.apply([.addSink(makeSink(n, sequenceOffset: UInt16(n)))]) }
    let sent = forwarder.forward(Packet(sequence: 100), on: publisherTuple)
    #expect(Set(try sent.map { try $0.packet.sequence }) == Set((1...37).map { UInt16(100 + $0) }))
    #expect(Set(sent.map(\.transport)).count == 37)
    #expect(forwarder.count(.forwarded) == 37)
  }

  @Test("A payload type without mapping is not copied")
  func unmappedPayloadType() {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    #expect(forwarder.forward(Packet(payloadType: 97), on: publisherTuple).isEmpty)
    #expect(forwarder.count(.unwantedPayloadType) == 1)
  }

  @Test("Padded and padding-only packets keep their padding")
  func padding() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink(ssrc: 1))])
    for (sequence, payload) in [(UInt16(1), [UInt8](repeating: 7, count: 20)), (2, [])] {
      var packet = Packet(sequence: sequence, payload: payload, padding: 255)
      let sent = forwarder.forward(packet, on: publisherTuple)
      packet.ssrc = 1
      packet.payloadType = 120
      #expect(try sent.map { try $0.packet } == [packet])
    }
    #expect(forwarder.statistics().sinks.first?.payloadOctets == 20)
  }

  @Test("An empty payload is a packet too")
  func emptyPayload() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    #expect(try forwarder.forward(Packet(payload: []), on: publisherTuple).map { try $0.packet.payload } == [[]])
  }

  @Test("A copy that does not fit is counted, the sink's numbers go on")
  func tooLarge() throws {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    let large = Packet(sequence: 1, payload: [UInt8](repeating: 1, count: 1000))
    #expect(forwarder.forward(large.bytes, on: publisherTuple, capacity: 900).isEmpty)
    #expect(forwarder.count(.tooLarge) == 1)
    #expect(try forwarder.forward(Packet(sequence: 2), on: publisherTuple).map { try $0.packet.sequence } == [2])
  }
}

@Suite struct ExtensionTests {
  typealias Element = Packet.Element

  private func copy(_ packet: Packet, _ sink: Sink) throws -> Packet {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(sink)])
    let sent = forwarder.forward(packet, on: publisherTuple)
    guard let first = sent.first else { throw TestFailure() }
    // Nothing but elements and padding to 4 octets.
    #expect(first.bytes.count % 4 == packet.payload.count % 4)
    return try first.packet
  }

  @Test("Elements are renumbered, those without mapping left out")
  func mapping() throws {
    let packet = Packet(
      extensionProfile: 0xbede,
      elements: [
        Element(id: 1, data: [1]), Element(id: 2, data: [2, 2, 2]), Element(id: 3, data: [3, 3]),
        Element(id: 14, data: [UInt8](repeating: 14, count: 16)),
      ])
    let copied = try copy(packet, makeSink(extensions: [1: 9, 3: 1, 14: 14]))
    #expect(copied.extensionProfile == 0xbede)
    #expect(
      copied.elements == [
        Element(id: 9, data: [1]), Element(id: 1, data: [3, 3]),
        Element(id: 14, data: [UInt8](repeating: 14, count: 16)),
      ])
    #expect(copied.payload == packet.payload)
  }

  @Test("No element left: no extension")
  func nothingLeft() throws {
    let packet = Packet(extensionProfile: 0xbede, elements: [Element(id: 1, data: [1])])
    #expect(try copy(packet, makeSink(extensions: [2: 2])).extensionProfile == nil)
    #expect(try copy(Packet(extensionProfile: 0xbede), makeSink()).extensionProfile == nil)
    // An extension of another kind is not RFC 8285's.
    #expect(try copy(Packet(extensionProfile: 0x1234), makeSink(extensions: [1: 1])).extensionProfile == nil)
  }

  @Test("The MID is written into every copy, instead of the source's")
  func mid() throws {
    let sink = makeSink(extensions: [1: 5, 2: 4], mid: (id: 4, value: Array("7".utf8)))
    let packet = Packet(extensionProfile: 0xbede, elements: [Element(id: 1, data: [1]), Element(id: 2, data: [50])])
    #expect(try copy(packet, sink).elements == [Element(id: 4, data: [55]), Element(id: 5, data: [1])])
    #expect(try copy(Packet(), sink).elements == [Element(id: 4, data: [55])])
  }

  @Test("Two-byte form only where an element needs it")
  func twoByte() throws {
    let long = [UInt8](repeating: 6, count: 40)
    let packet = Packet(
      extensionProfile: 0x1000,
      elements: [
        Element(id: 1, data: [1]), Element(id: 2, data: long), Element(id: 3, data: []), Element(id: 200, data: [0]),
      ])
    let all = try copy(packet, makeSink(extensions: [1: 3, 2: 5, 3: 6], mid: (id: 4, value: [48, 49])))
    #expect(all.extensionProfile == 0x1000)
    #expect(
      all.elements == [
        Element(id: 4, data: [48, 49]), Element(id: 3, data: [1]), Element(id: 5, data: long), Element(id: 6, data: []),
      ])
    let short = try copy(packet, makeSink(extensions: [1: 3]))
    #expect(short.extensionProfile == 0xbede)
    #expect(short.elements == [Element(id: 3, data: [1])])
  }
}

@Suite struct REDTests {
  /// A redundant block of payload type `inner` and the primary one (RFC 2198).
  private func red(sequence: UInt16 = 1, inner: UInt8 = 111, primary: UInt8 = 111, padding: Int = 0) -> Packet {
    let redundant: [UInt8] = [0xa, 0xb, 0xc]
    let header: [UInt8] = [0x80 | inner, 0x0f, 0x00, UInt8(redundant.count), primary]
    return Packet(payloadType: 63, sequence: sequence, payload: header + redundant + [1, 2, 3, 4], padding: padding)
  }

  private func room(_ payloadTypes: [UInt8: UInt8]) -> Forwarder {
    var forwarder = clearRoom()
    forwarder.apply([
      .removeSource(source), .addSource(makeSource(red: 63)), .addSink(makeSink(payloadTypes: payloadTypes)),
    ])
    return forwarder
  }

  @Test("A sink without RED gets the primary block")
  func stripped() throws {
    var forwarder = room([111: 109])
    let copied = try forwarder.forward(red(padding: 8), on: publisherTuple).map { try $0.packet }
    #expect(copied.map(\.payloadType) == [109])
    #expect(copied.map(\.payload) == [[1, 2, 3, 4]])
    #expect(copied.map(\.padding) == [8])
  }

  @Test("A sink with RED gets it with its own payload types inside")
  func rewritten() throws {
    var forwarder = room([111: 109, 63: 64])
    let packet = red()
    let copied = try forwarder.forward(packet, on: publisherTuple).map { try $0.packet }
    #expect(copied.map(\.payloadType) == [64])
    var expected = packet.payload
    expected[0] = 0x80 | 109
    expected[4] = 109
    #expect(copied.map(\.payload) == [expected])
  }

  @Test("Equal payload types: the payload stays as it is")
  func unchanged() throws {
    var forwarder = room([111: 111, 63: 63])
    #expect(try forwarder.forward(red(), on: publisherTuple).map { try $0.packet.payload } == [red().payload])
  }

  @Test("A block that the sink cannot take: the primary block alone")
  func unknownRedundancy() throws {
    var forwarder = room([111: 109, 63: 64])
    let copied = try forwarder.forward(red(inner: 9), on: publisherTuple).map { try $0.packet }
    #expect(copied.map(\.payloadType) == [109])
    #expect(copied.map(\.payload) == [[1, 2, 3, 4]])
    #expect(forwarder.forward(red(sequence: 2, primary: 9), on: publisherTuple).isEmpty)
  }

  @Test("Broken RED goes only to a sink that takes RED")
  func broken() throws {
    let broken = Packet(payloadType: 63, payload: [0xff, 0xff, 0xff, 0xff])
    var with = room([111: 111, 63: 63])
    #expect(try with.forward(broken, on: publisherTuple).map { try $0.packet.payload } == [broken.payload])
    var without = room([111: 111])
    #expect(without.forward(broken, on: publisherTuple).isEmpty)
  }
}
