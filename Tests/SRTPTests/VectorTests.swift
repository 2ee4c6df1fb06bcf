import SRTP
import Testing

@Suite struct RFC3711 {
  @Test("Appendix B.3: session keys from a master key")
  func keyDerivation() throws {
    let master = try #require(
      SRTPKeys(
        profile: .aes128CMHMACSHA180, masterKey: hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        masterSalt: hex("0EC675AD498AFEEBB6960B3AABE6")))
    let keys = try #require(SRTPSessionKeys(deriving: master))
    #expect(keys.encryptionKey == hex("C61E7A93744F39EE10734AFE3FF7A087"))
    #expect(keys.salt == hex("30CBBC08863D8C85D49DB34A9AE1"))
    #expect(keys.authenticationKey == hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"))
  }

  @Test("Appendix B.2: the keystream of AES-CM", arguments: providers)
  func keystream(provider: CryptographyProvider) throws {
    // The salt already holds what SSRC 0 and index 0 leave alone; encrypting zeros shows the keystream.
    let keys = try #require(
      SRTPSessionKeys(
        profile: .aes128CMHMACSHA180, encryptionKey: hex("2B7E151628AED2A6ABF7158809CF4F3C"),
        salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"), authenticationKey: [UInt8](repeating: 0, count: 20)))
    var sealer = try TestSealer(keys, provider)
    let header = [0x80] + [UInt8](repeating: 0, count: 11)
    let sealed = sealer.seal(header + [UInt8](repeating: 0, count: 48), headerLength: 12, ssrc: 0, index: 0)
    #expect(
      Array(sealed[12..<60])
        == hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"))
  }

  @Test("Keys do not show in descriptions")
  func keysAreNotPrinted() throws {
    var random = FixedRandom(1)
    let keys = try random.keys(.aeadAES128GCM)
    let session = try #require(SRTPSessionKeys(deriving: keys))
    #expect("\(keys)" == "SRTPKeys(aeadAES128GCM)")
    #expect("\(session)" == "SRTPSessionKeys(aeadAES128GCM)")
    #expect(String(reflecting: session) == "SRTPSessionKeys(aeadAES128GCM)")
  }

  @Test("Keys of the wrong length are refused")
  func keyLengths() {
    #expect(SRTPKeys(profile: .aeadAES128GCM, masterKey: [1], masterSalt: [2]) == nil)
    #expect(
      SRTPSessionKeys(
        profile: .aeadAES128GCM, encryptionKey: [UInt8](repeating: 0, count: 16),
        salt: [UInt8](repeating: 0, count: 14)) == nil)
  }
}

@Suite struct RFC7714 {
  static let plain = hex(
    """
    8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
    69736120 696e2070 61727465 73207472 6573
    """)

  static let vectors: [(SRTPProfile, [UInt8])] = [
    (
      .aeadAES128GCM,
      hex(
        """
        8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
        0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce
        """)
    ),
    (
      .aeadAES256GCM,
      hex(
        """
        8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
        9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13
        """)
    ),
  ]

  @Test("Section 16: SRTP with AEAD, both ways", arguments: vectors, providers)
  func section16(vector: (SRTPProfile, [UInt8]), provider: CryptographyProvider) throws {
    let (profile, expected) = vector
    let keys = try #require(
      SRTPSessionKeys(
        profile: profile, encryptionKey: (0..<UInt8(profile.keyLength)).map { $0 },
        salt: hex("517569642070726f2071756f")))
    var sealer = try TestSealer(keys, provider)
    #expect(sealer.seal(Self.plain, headerLength: 12, ssrc: 0x5501_a0b2, index: 0xf17b) == expected)
    var opener = try TestOpener(keys, provider)
    #expect(opener.open(expected, headerLength: 12, ssrc: 0x5501_a0b2, index: 0xf17b) == Self.plain)
  }
}
