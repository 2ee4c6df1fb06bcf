import Forwarding
import RTP
import Testing
import Wire

@Suite("Audio levels are summed up for each source") struct AudioLevelCountingTests {
  private func statistics(_ kind: MediaKind, reading id: UInt8, _ elements: [Packet.Element]) throws -> SourceStatistics
  {
    var room = try EncryptedRoom(.aeadAES128GCM, .preferred)
    var audio = makeSource()
    audio.kind = kind
    room.forwarder.apply([.readExtensions(publisher, ReadExtensions(audioLevel: id)), .addSource(audio)])
    for (n, element) in elements.enumerated() {
      _ = room.publish(Packet(sequence: UInt16(n), extensionProfile: 0xbede, elements: [element]))
    }
    return try #require(room.forwarder.statistics().sources.first)
  }

  @Test func ofEveryPacketThatHasOne() throws {
    let levels = [
      Packet.Element(id: 5, data: [0x80 | 30]), Packet.Element(id: 5, data: [50]), Packet.Element(id: 6, data: [1]),
    ]
    let counted = try statistics(.audio, reading: 5, levels)
    #expect(counted.packets == 3 && counted.audioLevels == 2)
    #expect(counted.audioPower == AudioLevel(attenuation: 30).power + AudioLevel(attenuation: 50).power)
  }

  @Test func butNotOfVideoOrWithoutAnID() throws {
    let level = Packet.Element(id: 5, data: [3])
    #expect(try statistics(.video, reading: 5, [level]).audioLevels == 0)
    #expect(try statistics(.audio, reading: 0, [level]).audioLevels == 0)
  }
}
