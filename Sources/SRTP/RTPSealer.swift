/// Protects the RTP that goes to one receiver: one master key, any number of SSRCs (RFC 3711 section 3.3, RFC 7714).
///
/// The caller gives each packet's index and must never give one twice for the same SSRC: under GCM that reveals the
/// authentication key.
public struct RTPSealer: ~Copyable {
  public let profile: SRTPProfile
  private let salt: SessionSalt
  /// Without ipsec-mb.
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
      let needsOpenSSL = ipsecMB == nil
      self.ipsecMB = consume ipsecMB
    #else
      let needsOpenSSL = true
    #endif
    if needsOpenSSL {
      guard let session = OpenSSLSession(keys, .sealing) else { return nil }
      openSSL = consume session
    } else {
      openSSL = nil
    }
  }

  /// Seals one packet: its header, complete, is at `packet`; `payload` is encrypted to behind it (it may lie there already)
  /// and the tag follows. `packet` has room for `headerLength + payloadLength + profile.tagLength` octets.
  ///
  /// With ipsec-mb an AES-CM packet is complete only after `engine.flush()`: until then neither it nor its payload may be
  /// touched, and this sealer must live.
  ///
  /// Returns the octets of the SRTP packet; 0 if it is too long to be one or the library refuses.
  @inline(__always)
  public func seal(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, payload: UnsafeRawPointer, payloadLength: Int, ssrc: UInt32,
    index: UInt64, engine: inout CryptographyEngine
  ) -> Int {
    let length = headerLength &+ payloadLength
    guard headerLength >= 12, payloadLength >= 0, length <= largestProtectedPacket else { return 0 }
    let work = PacketWork(
      packet: packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, salt: salt,
      ssrc: ssrc, index: index)
    #if arch(x86_64)
      let isSealed = ipsecMB != nil ? sealByIPsecMB(work, engine: &engine) : sealByOpenSSL(work)
    #else
      let isSealed = sealByOpenSSL(work)
    #endif
    return isSealed ? length &+ profile.tagLength : 0
  }

  #if arch(x86_64)
    @inline(__always)
    private func sealByIPsecMB(_ work: PacketWork, engine: inout CryptographyEngine) -> Bool {
      switch ipsecMB {
      case .none: return false
      case .some(let session):
        guard profile == .aes128CMHMACSHA180 else {
          session.sealGCM(work, engine: engine.ipsecMB)
          return true
        }
        engine.ipsecMB.queue(work, keys: session.pointers)
        return true
      }
    }
  #endif

  private func sealByOpenSSL(_ work: PacketWork) -> Bool {
    switch openSSL {
    case .none: false
    case .some(let session):
      profile == .aes128CMHMACSHA180 ? session.contexts.sealCM(work) : session.contexts.sealGCM(work)
    }
  }
}
