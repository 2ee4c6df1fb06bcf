/// Protects the RTP that goes to one receiver: one master key, any number of SSRCs (RFC 3711 section 3.3, RFC 7714).
///
/// The caller gives each packet's index and must never give one twice for the same SSRC: under GCM that reveals the
/// authentication key.
public struct RTPSealer: ~Copyable {
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
    #if arch(x86_64)
      let ipsecMB = IPsecMBSession(keys, engine.ipsecMB)
      let isComplete = ipsecMB != nil
      self.ipsecMB = consume ipsecMB
    #else
      let isComplete = false
    #endif
    if isComplete {
      openSSL = nil
    } else {
      guard let session = OpenSSLSession(keys, .sealing) else { return nil }
      openSSL = consume session
    }
  }

  /// Seals one packet: its header, complete, is at `packet`; `payload` is encrypted to behind it (it may lie there already)
  /// and the tag follows. `packet` has room for `headerLength + payloadLength + profile.tagLength` octets.
  ///
  /// With ipsec-mb an AES-CM packet is complete, and its payload no longer read, only after `engine.flush()`.
  ///
  /// Returns the octets of the SRTP packet; 0 if it is too long to be one or the library refuses.
  @inline(__always)
  public func seal(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, payload: UnsafeRawPointer, payloadLength: Int, ssrc: UInt32,
    index: UInt64, engine: inout CryptographyEngine
  ) -> Int {
    let length = headerLength &+ payloadLength
    guard headerLength >= 12, payloadLength >= 0, length <= largestProtectedPacket else { return 0 }
    #if arch(x86_64)
      if ipsecMB != nil {
        return sealByIPsecMB(
          packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, ssrc: ssrc, index: index,
          engine: &engine)
      }
    #endif
    return sealByOpenSSL(
      packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, ssrc: ssrc, index: index)
  }

  #if arch(x86_64)
    private func sealByIPsecMB(
      _ packet: UnsafeMutableRawPointer, headerLength: Int, payload: UnsafeRawPointer, payloadLength: Int, ssrc: UInt32,
      index: UInt64, engine: inout CryptographyEngine
    ) -> Int {
      switch ipsecMB {
      case .none: return 0
      case .some(let session):
        if profile == .aes128CMHMACSHA1_80 {
          engine.ipsecMB.submit(
            packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, keys: session,
            salt: salt, ssrc: ssrc, index: index)
        } else {
          session.sealGCM(
            packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, salt: salt, ssrc: ssrc,
            index: index, engine: engine.ipsecMB)
        }
        return headerLength &+ payloadLength &+ profile.tagLength
      }
    }
  #endif

  private func sealByOpenSSL(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, payload: UnsafeRawPointer, payloadLength: Int, ssrc: UInt32,
    index: UInt64
  ) -> Int {
    switch openSSL {
    case .none: return 0
    case .some(let session):
      let length = headerLength &+ payloadLength
      if profile != .aes128CMHMACSHA1_80 {
        let sealed = session.sealGCM(
          packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, salt: salt, ssrc: ssrc,
          index: index)
        return sealed ? length &+ profile.tagLength : 0
      }
      let encrypted = session.applyKeystream(
        from: payload, to: packet + headerLength, count: payloadLength, salt: salt, ssrc: ssrc, index: index)
      guard encrypted, let tag = session.authenticate(packet, count: length, index: index) else { return 0 }
      (packet + length).copyMemory(from: tag, byteCount: profile.tagLength)
      return length &+ profile.tagLength
    }
  }
}
