/// Authenticates and decrypts the RTP that one peer sends: one master key, any number of SSRCs (RFC 3711 section 3.3,
/// RFC 7714). The caller estimates each packet's index and refuses replays: see `InboundStream`.
public struct RTPOpener: ~Copyable {
  public let profile: SRTPProfile
  private let salt: SessionSalt
  private let openSSL: OpenSSLSession?
  #if arch(x86_64)
    private let ipsecMB: IPsecMBSession?
  #endif

  /// nil only if the cryptographic library fails.
  public init?(_ keys: SRTPKeys, engine: borrowing CryptographyEngine) {
    guard let sessionKeys = SRTPSessionKeys(deriving: keys) else { return nil }
    self.init(sessionKeys, engine: engine)
  }

  public init?(_ keys: SRTPSessionKeys, engine: borrowing CryptographyEngine) {
    profile = keys.profile
    salt = SessionSalt(keys.salt)
    // One packet at a time, HMAC-SHA1 is quicker by OpenSSL's SHA instructions than in one of ipsec-mb's many lanes.
    #if arch(x86_64)
      let ipsecMB = keys.profile == .aes128CMHMACSHA180 ? nil : IPsecMBSession(keys, engine.ipsecMB)
      let isComplete = ipsecMB != nil
      self.ipsecMB = consume ipsecMB
    #else
      let isComplete = false
    #endif
    if isComplete {
      openSSL = nil
    } else {
      guard let session = OpenSSLSession(keys, .opening) else { return nil }
      openSSL = consume session
    }
  }

  /// Opens one SRTP packet of `length` octets in place: the payload is decrypted where it is.
  ///
  /// Returns the octets of the RTP packet; 0 if it is not genuine, and then the payload may be garbage.
  @inline(__always)
  public func open(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, length: Int, ssrc: UInt32, index: UInt64,
    engine: inout CryptographyEngine
  ) -> Int {
    let payloadLength = length &- headerLength &- profile.tagLength
    guard headerLength >= 12, payloadLength >= 0, length <= largestProtectedPacket else { return 0 }
    let isGenuine: Bool
    #if arch(x86_64)
      isGenuine =
        switch ipsecMB {
        case .some(let session):
          session.openGCM(
            packet, headerLength: headerLength, payloadLength: payloadLength, salt: salt, ssrc: ssrc, index: index,
            engine: engine.ipsecMB)
        case .none:
          openByOpenSSL(packet, headerLength: headerLength, payloadLength: payloadLength, ssrc: ssrc, index: index)
        }
    #else
      isGenuine = openByOpenSSL(
        packet, headerLength: headerLength, payloadLength: payloadLength, ssrc: ssrc, index: index)
    #endif
    return isGenuine ? headerLength &+ payloadLength : 0
  }

  private func openByOpenSSL(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, payloadLength: Int, ssrc: UInt32, index: UInt64
  ) -> Bool {
    switch openSSL {
    case .none: return false
    case .some(let session):
      if profile != .aes128CMHMACSHA180 {
        return session.contexts.openGCM(
          packet, headerLength: headerLength, payloadLength: payloadLength, salt: salt, ssrc: ssrc, index: index)
      }
      let length = headerLength &+ payloadLength
      guard let tag = session.contexts.authenticate(packet, count: length, index: index),
        tagsAreEqual(tag, packet + length, count: profile.tagLength)
      else { return false }
      return session.contexts.applyKeystream(
        from: packet + headerLength, to: packet + headerLength, count: payloadLength, salt: salt, ssrc: ssrc,
        index: index)
    }
  }
}
