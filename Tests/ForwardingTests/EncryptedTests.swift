import Forwarding
import SRTP
import Testing
import Wire

struct FixedRandom {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    let z = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
    return z ^ z >> 29
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 11) } }

  mutating func keys(_ profile: SRTPProfile) throws -> SRTPKeys {
    let masterKey = bytes(profile.keyLength)
    guard let keys = SRTPKeys(profile: profile, masterKey: masterKey, masterSalt: bytes(profile.saltLength)) else {
      throw TestFailure()
    }
    return keys
  }
}

/// A browser's side of SRTP: protects and opens by the portable provider, which is proven against libsrtp.
struct Endpoint: ~Copyable {
  private var engine = CryptographyEngine(.openSSL)
  private let sealer: RTPSealer
  private let opener: RTPOpener
  private var streams: [UInt32: UInt64] = [:]

  init(sends outbound: SRTPKeys, receives inbound: SRTPKeys) throws {
    let engine = CryptographyEngine(.openSSL)
    guard let sealer = RTPSealer(outbound, engine: engine), let opener = RTPOpener(inbound, engine: engine) else {
      throw TestFailure()
    }
    self.sealer = sealer
    self.opener = opener
  }

  mutating func seal(_ packet: Packet, rollovers: UInt64 = 0) -> [UInt8] {
    let plain = packet.bytes
    var sealed = plain + [UInt8](repeating: 0, count: 16)
    let count = sealed.withUnsafeMutableBytes {
      sealer.seal(
        $0.baseAddress!, headerLength: packet.headerLength, payload: $0.baseAddress! + packet.headerLength,
        payloadLength: plain.count - packet.headerLength, ssrc: packet.ssrc,
        index: rollovers << 16 | UInt64(packet.sequence), engine: &engine)
    }
    return Array(sealed.prefix(count))
  }

  /// Opens as a receiver would: the first packet of an SSRC has rollover counter 0. Reordering is followed.
  mutating func open(_ bytes: [UInt8]) throws -> Packet? {
    var probe = try Packet(bytes.prefix(12).enumerated().map { $0 == 0 ? 0x80 : $1 })
    let highest = streams[probe.ssrc]
    let index = highest.map { PacketIndex.estimate(probe.sequence, highest: $0) } ?? UInt64(probe.sequence)
    var packet = bytes
    let cc = Int(bytes[0] & 0x0f)
    var headerLength = 12 + 4 * cc
    if bytes[0] & 0x10 != 0 {
      headerLength += 4 + 4 * (Int(bytes[headerLength + 2]) << 8 | Int(bytes[headerLength + 3]))
    }
    let count = packet.withUnsafeMutableBytes {
      opener.open(
        $0.baseAddress!, headerLength: headerLength, length: $0.count, ssrc: probe.ssrc, index: index, engine: &engine)
    }
    guard count > 0 else { return nil }
    streams[probe.ssrc] = max(highest ?? 0, index)
    probe = try Packet(Array(packet.prefix(count)))
    return probe
  }
}

let configurations: [(SRTPProfile, CryptographyProvider)] = SRTPProfile.allCases.flatMap { profile in
  [CryptographyProvider.ipsecMB, .openSSL].map { (profile, $0) }
}

/// An encrypted publisher and encrypted receivers, with their own ends.
struct EncryptedRoom: ~Copyable {
  var forwarder: Forwarder
  var publisherEnd: Endpoint
  var subscriberEnd: Endpoint
  var random: FixedRandom
  let subscriberKeys: (SRTPKeys, SRTPKeys)

  init(_ profile: SRTPProfile, _ provider: CryptographyProvider, transportWide: UInt8 = 0) throws {
    var random = FixedRandom(99)
    let a = (try random.keys(profile), try random.keys(profile))
    let b = (try random.keys(profile), try random.keys(profile))
    let publisherEnd = try Endpoint(sends: a.0, receives: a.1)
    let subscriberEnd = try Endpoint(sends: b.0, receives: b.1)
    forwarder = Forwarder(cryptography: provider)
    forwarder.apply([
      .addTransport(
        Transport(
          id: publisher, tuple: publisherTuple, protection: .srtp(inbound: a.0, outbound: a.1),
          extensions: ReadExtensions(mid: 1, rid: 2, repairedRID: 3, transportWide: transportWide))),
      .addTransport(
        Transport(id: subscriber(1), tuple: subscriberTuple(1), protection: .srtp(inbound: b.0, outbound: b.1))),
    ])
    self.publisherEnd = publisherEnd
    self.subscriberEnd = subscriberEnd
    self.random = random
    subscriberKeys = b
  }

  mutating func publish(_ packet: Packet, rollovers: UInt64 = 0, now: Instant = .zero) -> [Sent] {
    forwarder.forward(publisherEnd.seal(packet, rollovers: rollovers), on: publisherTuple, now: now)
  }

  /// What the subscriber decrypts; nil where it cannot.
  mutating func received(_ sent: [Sent]) throws -> [Packet?] {
    var opened: [Packet?] = []
    for copy in sent { opened.append(try subscriberEnd.open(copy.bytes)) }
    return opened
  }
}

@Suite struct EncryptedTests {
  @Test("Only clear RTP needs a look at its checksum")
  func checksums() throws {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    var sealed = room.publisherEnd.seal(Packet())
    var clear = Packet().bytes
    var encrypted = 0
    sealed.withUnsafeMutableBytes {
      _ = room.forwarder.receive(
        $0, on: publisherTuple, lane: .xsk, now: .zero,
        isIntact: {
          encrypted += 1
          return false
        })
    }
    let unknown = room.forwarder.count(.unknownSSRC)
    #expect(encrypted == 0 && unknown == 1)
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    let wanted = clear.withUnsafeMutableBytes { clear in
      [false, true].map { isIntact in
        forwarder.receive(clear, on: publisherTuple, lane: .xsk, now: .zero, isIntact: { isIntact })
      }
    }
    let damaged = forwarder.count(.damaged)
    #expect(wanted == [0, 1] && damaged == 1)
  }

  @Test("A sender that began just below a rollover is heard, though nothing before it came", arguments: [true, false])
  func beginningBelowARollover(isNamed: Bool) throws {
    var room = try EncryptedRoom(.aes128CMHMACSHA180, .preferred)
    if isNamed { room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink())]) }
    func heard(_ sequence: UInt16, rollovers: UInt64 = 1) -> Bool {
      let before = room.forwarder.count(.authenticationFailed)
      _ = room.publish(Packet(sequence: sequence, timestamp: UInt32(sequence)), rollovers: rollovers)
      return room.forwarder.count(.authenticationFailed) == before
    }
    // Nothing depends on what others forge, nor, once one was genuine, is anything guessed any more.
    _ = room.forwarder.forward(Packet(sequence: 7), on: publisherTuple)
    let genuine = [heard(3), heard(4), heard(2), heard(65_535, rollovers: 0), heard(6)]
    #expect(genuine == [true, true, true, true, true])
    let other = [heard(8, rollovers: 0), heard(8, rollovers: 2), heard(8)]
    #expect(other == [false, false, true])
  }

  @Test("From one set of keys to the other, rewritten, across rollovers of both", arguments: configurations)
  func endToEnd(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([
      .addSource(makeSource()),
      .addSink(makeSink(ssrc: 7, extensions: [5: 6], mid: (id: 1, value: [0x31]), sequenceOffset: 30_000)),
    ])
    for index in stride(from: UInt64(20_000), through: 200_000, by: 1111) {
      var packet = Packet(
        marker: index % 2 == 0, sequence: UInt16(truncatingIfNeeded: index), timestamp: UInt32(index) &* 90,
        extensionProfile: 0xbede, elements: [Packet.Element(id: 5, data: [1, 2]), Packet.Element(id: 9, data: [3])],
        payload: room.random.bytes(Int(index % 1200)), padding: index % 3 == 0 ? 12 : 0)
      let sent = room.publish(packet, rollovers: index >> 16)
      packet.ssrc = 7
      packet.payloadType = 120
      packet.sequence = UInt16(truncatingIfNeeded: index + 30_000)
      packet.elements = [Packet.Element(id: 1, data: [0x31]), Packet.Element(id: 6, data: [1, 2])]
      #expect(try room.received(sent) == [packet])
    }
    #expect(room.forwarder.count(.authenticationFailed) == 0)
  }

  @Test("Many receivers in one call, each under its own keys", arguments: configurations)
  func fanOut(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(ssrc: 7))])
    var keys: [(SRTPKeys, SRTPKeys)] = [room.subscriberKeys]
    for n in 2...40 {
      let pair = (try room.random.keys(configuration.0), try room.random.keys(configuration.0))
      keys.append(pair)
      room.forwarder.apply([
        .addTransport(
          Transport(id: subscriber(n), tuple: subscriberTuple(n), protection: .srtp(inbound: pair.0, outbound: pair.1))),
        .addSink(makeSink(n, ssrc: 7)),
      ])
    }
    var packet = Packet(sequence: 9, payload: room.random.bytes(500))
    let sent = room.forwarder.forward(room.publisherEnd.seal(packet), on: publisherTuple, batch: 17)
    packet.ssrc = 7
    packet.payloadType = 120
    #expect(sent.count == 40)
    for copy in sent {
      let n = try #require((1...40).first { room.forwarder.index(of: subscriber($0)) == copy.transport })
      var end = try Endpoint(sends: keys[n - 1].0, receives: keys[n - 1].1)
      #expect(try end.open(copy.bytes) == packet)
    }
  }

  @Test("Copies begun for several packets are complete after one finish", arguments: configurations)
  func deferredCopies(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink(ssrc: 7))])
    var datagrams = (0..<20).map { room.publisherEnd.seal(Packet(sequence: $0, payload: [UInt8($0), 1, 2, 3])) }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 20 * 256, alignment: 16)
    defer { memory.deallocate() }
    var copies = (0..<20).map { PacketCopy(packet: memory + $0 * 256, capacity: 256) }
    for i in 0..<20 {
      let wanted = datagrams[i].withUnsafeMutableBytes {
        room.forwarder.receive($0, on: publisherTuple, lane: .xsk, now: .zero)
      }
      #expect(wanted == 1)
      let begun = copies.withUnsafeMutableBufferPointer {
        room.forwarder.beginCopy(into: UnsafeMutableBufferPointer(rebasing: $0[i..<20]))
      }
      #expect(begun == 1)
    }
    room.forwarder.finishCopies()
    for i in 0..<20 {
      let bytes = Array(UnsafeRawBufferPointer(start: copies[i].packet, count: copies[i].length))
      #expect(try room.subscriberEnd.open(bytes)?.payload == [UInt8(i), 1, 2, 3])
    }
  }

  @Test("Forged, replayed and unknown packets go nowhere", arguments: configurations)
  func refusals(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    room.forwarder.apply([.addSource(makeSource()), .addSink(makeSink())])
    let sealed = room.publisherEnd.seal(Packet(sequence: 1))
    var forged = sealed
    forged[forged.count - 1] ^= 1
    #expect(room.forwarder.forward(forged, on: publisherTuple).isEmpty)
    #expect(room.forwarder.forward(sealed, on: tuple(9)).isEmpty)
    #expect(room.forwarder.forward(sealed, on: publisherTuple).count == 1)
    #expect(room.forwarder.forward(sealed, on: publisherTuple).isEmpty)
    let next = room.publisherEnd.seal(Packet(sequence: 2))
    #expect(room.forwarder.forward(Array(next.prefix(20)), on: publisherTuple).isEmpty)
    #expect(room.forwarder.forward([0x80, 96], on: publisherTuple).isEmpty)
    #expect(room.forwarder.count(.authenticationFailed) == 2)
    #expect(room.forwarder.count(.unknownTuple) == 1)
    #expect(room.forwarder.count(.replayed) == 1)
    #expect(room.forwarder.count(.malformed) == 1)
    #expect(room.forwarder.count(.accepted) == 1)
    #expect(room.forwarder.statistics().sources.first?.authenticationFailures == 2)
    #expect(room.forwarder.statistics().sources.first?.replays == 1)
  }

  @Test("From clear to encrypted and back", arguments: configurations)
  func mixed(configuration: (SRTPProfile, CryptographyProvider)) throws {
    var room = try EncryptedRoom(configuration.0, configuration.1)
    let camera = TransportID(rawValue: 50)
    let recorder = TransportID(rawValue: 51)
    let cameraSource = SourceID(rawValue: 50)
    room.forwarder.apply([
      .addTransport(Transport(id: camera, tuple: tuple(5000), protection: .clear)),
      .addTransport(Transport(id: recorder, tuple: tuple(5001), protection: .clear)),
      .addSource(Source(id: cameraSource, transport: camera, ssrc: 1, kind: .video, clockRate: 90_000)),
      .addSource(makeSource()),
      .addSink(makeSink(1, source: cameraSource, ssrc: 2)),
      .addSink(
        Sink(id: SinkID(rawValue: 9), source: source, transport: recorder, ssrc: 3, payloadTypes: [96: 96])),
    ])
    let fromCamera = room.forwarder.forward(Packet(sequence: 3, ssrc: 1, payload: [5]), on: tuple(5000))
    #expect(try room.received(fromCamera).map { $0?.payload } == [[5]])
    let toRecorder = room.publish(Packet(sequence: 4, payload: [6]))
    #expect(try toRecorder.map { try $0.packet } == [Packet(sequence: 4, ssrc: 3, payload: [6])])
  }
}
