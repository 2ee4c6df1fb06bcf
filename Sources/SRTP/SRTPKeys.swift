/// SRTP protection profiles of DTLS-SRTP (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
public enum SRTPProfile: UInt16, Hashable, Sendable, CaseIterable {
  case aes128CMHMACSHA180 = 0x0001
  case aeadAES128GCM = 0x0007
  case aeadAES256GCM = 0x0008

  /// Octets of the master key.
  public var keyLength: Int { self == .aeadAES256GCM ? 32 : 16 }
  /// Octets of the master salt.
  public var saltLength: Int { self == .aes128CMHMACSHA180 ? 14 : 12 }
  /// Octets that protection adds to an RTP packet.
  public var tagLength: Int { self == .aes128CMHMACSHA180 ? 10 : 16 }
}

/// Master key and salt of one direction. Its description shows neither.
public struct SRTPKeys: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  public let profile: SRTPProfile
  public let masterKey: [UInt8]
  public let masterSalt: [UInt8]

  /// nil unless key and salt have the profile's lengths.
  public init?(profile: SRTPProfile, masterKey: [UInt8], masterSalt: [UInt8]) {
    guard masterKey.count == profile.keyLength, masterSalt.count == profile.saltLength else { return nil }
    self.profile = profile
    self.masterKey = masterKey
    self.masterSalt = masterSalt
  }

  public var description: String { "SRTPKeys(\(profile))" }
  public var debugDescription: String { description }
}
