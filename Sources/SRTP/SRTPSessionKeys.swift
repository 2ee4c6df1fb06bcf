import COpenSSL

/// The session keys that protect RTP or RTCP, derived from one direction's master key and salt (RFC 3711 section 4.3 with a key
/// derivation rate of zero, RFC 7714 section 11). Its description shows none of them.
public struct SRTPSessionKeys: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  public let profile: SRTPProfile
  /// 16 or 32 octets.
  public let encryptionKey: [UInt8]
  /// 14 octets for AES-CM, 12 for GCM.
  public let salt: [UInt8]
  /// 20 octets for HMAC-SHA1, none for GCM.
  public let authenticationKey: [UInt8]

  /// Key derivation labels of RTP (RFC 3711 section 4.3.1); those of RTCP follow in the same order.
  private enum Label: UInt8 {
    case encryption = 0
    case authentication = 1
    case salt = 2

    static let count: UInt8 = 3
  }

  /// Derives the session keys of RTP; nil only if OpenSSL has no AES-CTR.
  public init?(deriving keys: SRTPKeys) { self.init(deriving: keys, firstLabel: 0) }

  /// Derives the session keys of RTCP; nil only if OpenSSL has no AES-CTR.
  init?(derivingSRTCP keys: SRTPKeys) { self.init(deriving: keys, firstLabel: Label.count) }

  private init?(deriving keys: SRTPKeys, firstLabel: UInt8) {
    func derive(_ label: Label, _ count: Int) -> [UInt8]? {
      Self.pseudoRandom(
        masterKey: keys.masterKey, masterSalt: keys.masterSalt, label: firstLabel + label.rawValue, count: count)
    }
    let authenticationLength = keys.profile == .aes128CMHMACSHA180 ? 20 : 0
    guard let encryption = derive(.encryption, keys.profile.keyLength),
      let authentication = derive(.authentication, authenticationLength),
      let salt = derive(.salt, keys.profile.saltLength)
    else { return nil }
    self.init(profile: keys.profile, encryptionKey: encryption, salt: salt, authenticationKey: authentication)
  }

  /// Session keys as they are (test vectors give these); nil unless all have the profile's lengths.
  public init?(profile: SRTPProfile, encryptionKey: [UInt8], salt: [UInt8], authenticationKey: [UInt8] = []) {
    guard encryptionKey.count == profile.keyLength, salt.count == profile.saltLength,
      authenticationKey.count == (profile == .aes128CMHMACSHA180 ? 20 : 0)
    else { return nil }
    self.profile = profile
    self.encryptionKey = encryptionKey
    self.salt = salt
    self.authenticationKey = authenticationKey
  }

  public var description: String { "SRTPSessionKeys(\(profile))" }
  public var debugDescription: String { description }

  /// The AES-CM pseudo-random function of RFC 3711 section 4.3.3: the keystream that begins at (label XOR salt) * 2^16.
  /// A 12-octet salt is the upper part of a 14-octet one.
  static func pseudoRandom(masterKey: [UInt8], masterSalt: [UInt8], label: UInt8, count: Int) -> [UInt8]? {
    guard count > 0 else { return [] }
    var counter = [UInt8](repeating: 0, count: 16)
    for (i, octet) in masterSalt.prefix(14).enumerated() { counter[i] = octet }
    counter[7] ^= label
    guard let context = EVP_CIPHER_CTX_new() else { return nil }
    defer { EVP_CIPHER_CTX_free(context) }
    let cipher = masterKey.count == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr()
    let zeros = [UInt8](repeating: 0, count: count)
    var stream = zeros
    var written: CInt = 0
    guard EVP_EncryptInit_ex(context, cipher, nil, masterKey, counter) == 1,
      EVP_EncryptUpdate(context, &stream, &written, zeros, CInt(count)) == 1, Int(written) == count
    else { return nil }
    return stream
  }
}
