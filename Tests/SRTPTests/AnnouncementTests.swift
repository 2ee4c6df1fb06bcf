import SRTP
import Testing

/// Packets announced before they are opened: what they are must not depend on it.
@Suite struct AnnouncementTests {
  static let ssrc: UInt32 = 0x1234_5678
  private static let room = 1500

  /// Sealed packets, each in memory of its own, and the openers' engine.
  private struct Scene: ~Copyable {
    var end: TestOpener
    let memory: UnsafeMutableRawPointer
    let plain: [[UInt8]]
    let sealed: [[UInt8]]
    let headerLengths: [Int]

    static func make(_ profile: SRTPProfile, count: Int) throws -> Scene {
      var random = FixedRandom(21)
      let keys = try random.keys(profile)
      var sealer = try TestSealer(keys, .openSSL)
      var plain: [[UInt8]] = []
      var sealed: [[UInt8]] = []
      var headerLengths: [Int] = []
      for i in 0..<count {
        let (packet, headerLength) = rtpPacket(
          sequence: UInt16(i), ssrc: AnnouncementTests.ssrc, payload: random.bytes((i * 211) % 1300))
        plain.append(packet)
        headerLengths.append(headerLength)
        sealed.append(
          sealer.seal(packet, headerLength: headerLength, ssrc: AnnouncementTests.ssrc, index: UInt64(i)))
      }
      return Scene(try TestOpener(keys, .ipsecMB), plain, sealed, headerLengths)
    }

    private init(_ end: consuming TestOpener, _ plain: [[UInt8]], _ sealed: [[UInt8]], _ headerLengths: [Int]) {
      self.end = end
      (self.plain, self.sealed, self.headerLengths) = (plain, sealed, headerLengths)
      memory = .allocate(byteCount: sealed.count * AnnouncementTests.room, alignment: 64)
      for i in sealed.indices { put(sealed[i], at: i) }
    }

    deinit { memory.deallocate() }

    func put(_ bytes: [UInt8], at i: Int) {
      (memory + i * AnnouncementTests.room).copyMemory(from: bytes, byteCount: bytes.count)
    }

    func bytes(_ i: Int, count: Int) -> [UInt8] {
      Array(UnsafeRawBufferPointer(start: memory + i * AnnouncementTests.room, count: count))
    }

    mutating func announce(_ i: Int, index: Int? = nil) {
      end.opener.announce(
        memory + i * AnnouncementTests.room, headerLength: headerLengths[i], length: sealed[i].count,
        ssrc: AnnouncementTests.ssrc, index: UInt64(index ?? i), engine: &end.engine)
    }

    mutating func open(_ i: Int) -> [UInt8]? {
      let count = end.opener.open(
        memory + i * AnnouncementTests.room, headerLength: headerLengths[i], length: sealed[i].count,
        ssrc: AnnouncementTests.ssrc, index: UInt64(i), engine: &end.engine)
      return count > 0 ? bytes(i, count: count) : nil
    }
  }

  @Test(
    "Announced packets stay as they are and open as any other",
    arguments: SRTPProfile.allCases, [1, 2, 5, 6, 16, 21, 64, 70])
  func opening(profile: SRTPProfile, count: Int) throws {
    var scene = try Scene.make(profile, count: count)
    for i in 0..<count { scene.announce(i) }
    scene.end.engine.beginAnnounced()
    for i in 0..<count { #expect(scene.bytes(i, count: scene.sealed[i].count) == scene.sealed[i]) }
    for i in 0..<count { #expect(scene.open(i) == scene.plain[i]) }
  }

  @Test("Those that are dropped before they are opened, or were never announced, do not disturb the others")
  func skipping() throws {
    var scene = try Scene.make(.aes128CMHMACSHA180, count: 40)
    for i in 0..<40 where i % 5 != 0 { scene.announce(i) }
    scene.end.engine.beginAnnounced()
    for i in 0..<40 where i % 7 != 0 { #expect(scene.open(i) == scene.plain[i]) }
  }

  @Test("One announced under another index opens under its own")
  func otherIndex() throws {
    var scene = try Scene.make(.aes128CMHMACSHA180, count: 20)
    for i in 0..<20 { scene.announce(i, index: i % 3 == 0 ? i | 0x10000 : i) }
    scene.end.engine.beginAnnounced()
    for i in 0..<20 { #expect(scene.open(i) == scene.plain[i]) }
  }

  @Test("A forged tag is refused, and only that")
  func tampering() throws {
    var scene = try Scene.make(.aes128CMHMACSHA180, count: 30)
    for i in stride(from: 0, to: 30, by: 4) {
      var forged = scene.sealed[i]
      forged[forged.count - 1 - i % 10] ^= 1
      scene.put(forged, at: i)
    }
    for i in 0..<30 { scene.announce(i) }
    scene.end.engine.beginAnnounced()
    for i in 0..<30 { #expect(scene.open(i) == (i % 4 == 0 ? nil : scene.plain[i])) }
  }

  @Test("What was computed for a packet does not count for one that takes its place later")
  func stale() throws {
    var scene = try Scene.make(.aes128CMHMACSHA180, count: 8)
    for i in 0..<8 { scene.announce(i) }
    scene.end.engine.beginAnnounced()
    scene.end.engine.forgetAnnounced()
    for i in 0..<8 {
      // Another payload, the old tag.
      var forged = scene.sealed[i]
      forged[scene.headerLengths[i] / 2] ^= 1
      scene.put(forged, at: i)
      #expect(scene.open(i) == nil)
      scene.put(scene.sealed[i], at: i)
      #expect(scene.open(i) == scene.plain[i])
    }
  }
}
