import RTP
import Testing

@Suite("Audio levels, RFC 6464") struct AudioLevelTests {
  @Test("The level is the lower seven bits of the first octet, whatever follows", arguments: [[0x92], [0x12, 0, 0]])
  func reading(_ data: [UInt8]) {
    #expect(data.withUnsafeBytes { AudioLevel($0) } == AudioLevel(attenuation: 18))
  }

  @Test func noOctetIsNoLevel() { #expect(AudioLevel(UnsafeRawBufferPointer(start: nil, count: 0)) == nil) }

  @Test("A level's power is right to half a decibel: a tenth for every ten, down to where no speech is")
  func power() {
    for attenuation in UInt8(0)...80 {
      let ratio =
        Double(AudioLevel(attenuation: attenuation).power) / Double(AudioLevel(attenuation: attenuation + 10).power)
      #expect(abs(ratio - 10) < 1.2, "at \(attenuation): \(ratio)")
      #expect(AudioLevel(attenuation: attenuation).power > AudioLevel(attenuation: attenuation + 1).power)
    }
    #expect(AudioLevel(attenuation: 0).power == 1 << 40)
    #expect(AudioLevel(attenuation: 255) == AudioLevel(attenuation: 127))
  }
}
