import SRTP
import Testing

/// Bit for bit against libsrtp.
@Suite struct OracleTests {
  static let ssrc: UInt32 = 0x1234_5678
  static let lengths = [0, 1, 15, 16, 17, 64, 160, 1187, 1400]

  @Test("What we seal is what libsrtp protects, across a rollover", arguments: SRTPProfile.allCases, providers)
  func sealing(profile: SRTPProfile, provider: CryptographyProvider) throws {
    var random = FixedRandom(11)
    let keys = try random.keys(profile)
    let oracle = try Oracle(keys, inbound: false)
    var sealer = try TestSealer(keys, provider)
    // libsrtp counts rollovers by what it sees: move it forward in steps below half of the number space.
    for (step, index) in stride(from: UInt64(0x7ff0), through: 0x3_0100, by: 0x1555).enumerated() {
      let payload = random.bytes(Self.lengths[step % Self.lengths.count])
      let (packet, headerLength) = rtpPacket(
        sequence: UInt16(truncatingIfNeeded: index), ssrc: Self.ssrc, payload: payload)
      let expected = oracle.protect(packet)
      #expect(expected != nil)
      #expect(sealer.seal(packet, headerLength: headerLength, ssrc: Self.ssrc, index: index) == expected)
    }
  }

  @Test(
    "What libsrtp protects we open: every length, reordered, across a rollover",
    arguments: SRTPProfile.allCases, providers)
  func opening(profile: SRTPProfile, provider: CryptographyProvider) throws {
    var random = FixedRandom(12)
    let keys = try random.keys(profile)
    let oracle = try Oracle(keys, inbound: false)
    var opener = try TestOpener(keys, provider)
    var stream = InboundStream()
    var sent: [(plain: [UInt8], sealed: [UInt8], headerLength: Int)] = []
    for number in UInt64(32_700)..<33_000 {
      let index = number &* 217  // passes two rollovers
      let payload = random.bytes(Self.lengths[Int(number) % Self.lengths.count])
      let (packet, headerLength) = rtpPacket(
        sequence: UInt16(truncatingIfNeeded: index &- 32_700 * 217), ssrc: Self.ssrc, payload: payload)
      sent.append((packet, try #require(oracle.protect(packet)), headerLength))
    }
    for start in stride(from: 0, to: sent.count, by: 6) {
      // Within each six the order is turned round.
      for packet in sent[start..<min(start + 6, sent.count)].reversed() {
        let sequence = UInt16(packet.sealed[2]) << 8 | UInt16(packet.sealed[3])
        let index = stream.estimate(sequence)
        #expect(stream.accepts(index) == true)
        let opened = opener.open(
          packet.sealed, headerLength: packet.headerLength, ssrc: Self.ssrc, index: index)
        #expect(opened == packet.plain)
        stream.record(index)
        #expect(stream.accepts(index) == false)
      }
    }
  }

  @Test("libsrtp opens what we seal", arguments: SRTPProfile.allCases, providers)
  func interoperation(profile: SRTPProfile, provider: CryptographyProvider) throws {
    var random = FixedRandom(13)
    let keys = try random.keys(profile)
    let oracle = try Oracle(keys, inbound: true)
    var sealer = try TestSealer(keys, provider)
    for index in UInt64(0xff00)..<0x1_0100 {
      if index > 0xff08, index < 0xfff8 { continue }
      let (packet, headerLength) = rtpPacket(
        sequence: UInt16(truncatingIfNeeded: index), ssrc: Self.ssrc, payload: random.bytes(Int(index % 300)))
      let sealed = sealer.seal(packet, headerLength: headerLength, ssrc: Self.ssrc, index: index)
      #expect(oracle.unprotect(sealed) == packet)
    }
  }

  @Test("Any flipped bit, and any missing octet, is refused", arguments: SRTPProfile.allCases, providers)
  func tampering(profile: SRTPProfile, provider: CryptographyProvider) throws {
    var random = FixedRandom(14)
    let keys = try random.keys(profile)
    var sealer = try TestSealer(keys, provider)
    var opener = try TestOpener(keys, provider)
    let (packet, headerLength) = rtpPacket(sequence: 3, ssrc: Self.ssrc, payload: random.bytes(40))
    let sealed = sealer.seal(packet, headerLength: headerLength, ssrc: Self.ssrc, index: 3)
    #expect(opener.open(sealed, headerLength: headerLength, ssrc: Self.ssrc, index: 3) == packet)
    for bit in 0..<sealed.count * 8 {
      var forged = sealed
      forged[bit / 8] ^= 1 << (bit % 8)
      #expect(opener.open(forged, headerLength: headerLength, ssrc: Self.ssrc, index: 3) == nil)
    }
    for count in 0..<sealed.count {
      let cut = Array(sealed.prefix(count))
      #expect(opener.open(cut, headerLength: headerLength, ssrc: Self.ssrc, index: 3) == nil)
    }
    #expect(opener.open(sealed, headerLength: headerLength, ssrc: Self.ssrc, index: 0x1_0003) == nil)
    #expect(opener.open(sealed, headerLength: headerLength, ssrc: Self.ssrc, index: 3) == packet)
  }

  @Test("Many packets in flight, many keys, one flush", arguments: SRTPProfile.allCases, [2, 5, 17, 600])
  func batch(profile: SRTPProfile, count: Int) throws {
    var random = FixedRandom(15)
    var engine = CryptographyEngine(.ipsecMB)
    let keys = try (0..<5).map { _ in try random.keys(profile) }
    let capacity = 1500
    let arena = UnsafeMutableRawPointer.allocate(byteCount: count * capacity, alignment: 64)
    defer { arena.deallocate() }
    var expected: [[UInt8]] = []
    var packets: [(packet: [UInt8], headerLength: Int)] = []
    var counts: [Int] = []
    for number in 0..<count {
      packets.append(
        rtpPacket(sequence: UInt16(number), ssrc: Self.ssrc, payload: random.bytes((number &* 37) % 1300)))
      var single = try TestSealer(keys[number % 5], .openSSL)
      expected.append(
        single.seal(
          packets[number].packet, headerLength: packets[number].headerLength, ssrc: Self.ssrc, index: UInt64(number)))
    }
    let sealers = UnsafeMutablePointer<RTPSealer>.allocate(capacity: 5)
    defer { sealers.deinitialize(count: 5).deallocate() }
    for i in 0..<5 { (sealers + i).initialize(to: try TestSealerFactory.make(keys[i], engine)) }
    let sources = UnsafeMutableRawPointer.allocate(byteCount: count * capacity, alignment: 64)
    defer { sources.deallocate() }
    for (number, source) in packets.enumerated() {
      let target = arena + number * capacity
      // Every other one is sealed where it lies, the rest from elsewhere.
      let place = number % 2 == 0 ? target : sources + number * capacity
      source.packet.withUnsafeBytes {
        place.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        target.copyMemory(from: $0.baseAddress!, byteCount: source.headerLength)
      }
      counts.append(
        sealers[number % 5].seal(
          target, headerLength: source.headerLength, payload: place + source.headerLength,
          payloadLength: source.packet.count - source.headerLength, ssrc: Self.ssrc, index: UInt64(number),
          engine: &engine))
    }
    engine.flush()
    for number in 0..<count {
      let sealed = Array(UnsafeRawBufferPointer(start: arena + number * capacity, count: counts[number]))
      #expect(sealed == expected[number])
    }
  }
}

enum TestSealerFactory {
  static func make(_ keys: SRTPKeys, _ engine: borrowing CryptographyEngine) throws -> RTPSealer {
    guard let sealer = RTPSealer(keys, engine: engine) else { throw TestFailure() }
    return sealer
  }
}
