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
    #if arch(x86_64)
      let ipsecMB = IPsecMBSession(keys, engine.ipsecMB)
      let needsOpenSSL = ipsecMB == nil
      self.ipsecMB = consume ipsecMB
    #else
      let needsOpenSSL = true
    #endif
    if needsOpenSSL {
      guard let session = OpenSSLSession(keys, .opening) else { return nil }
      openSSL = consume session
    } else {
      openSSL = nil
    }
  }

  /// Announces that a packet will be opened soon, with these same arguments. Packets announced together, in the order in
  /// which they are opened, and begun with `engine.beginAnnounced()` cost less (AES-CM with HMAC-SHA1). Until each is opened
  /// or `engine.forgetAnnounced()` is called, it must not change and this opener must live.
  public func announce(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, length: Int, ssrc: UInt32, index: UInt64,
    engine: inout CryptographyEngine
  ) {
    #if arch(x86_64)
      guard profile == .aes128CMHMACSHA180,
        let work = work(packet, headerLength: headerLength, length: length, ssrc: ssrc, index: index)
      else { return }
      switch ipsecMB {
      case .none: return
      case .some(let session): engine.ipsecMB.announce(work, keys: session.pointers)
      }
    #endif
  }

  /// Opens one SRTP packet of `length` octets in place: the payload is decrypted where it is.
  ///
  /// Returns the octets of the RTP packet; 0 if it is not genuine, and then payload and tag may be garbage.
  @inline(__always)
  public func open(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, length: Int, ssrc: UInt32, index: UInt64,
    engine: inout CryptographyEngine
  ) -> Int {
    guard let work = work(packet, headerLength: headerLength, length: length, ssrc: ssrc, index: index) else {
      return 0
    }
    #if arch(x86_64)
      let isGenuine = ipsecMB != nil ? openByIPsecMB(work, engine: &engine) : openByOpenSSL(work)
    #else
      let isGenuine = openByOpenSSL(work)
    #endif
    return isGenuine ? work.length : 0
  }

  @inline(__always)
  private func work(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, length: Int, ssrc: UInt32, index: UInt64
  ) -> PacketWork? {
    let payloadLength = length &- headerLength &- profile.tagLength
    guard headerLength >= 12, payloadLength >= 0, length <= largestProtectedPacket else { return nil }
    return PacketWork(
      packet: packet, headerLength: headerLength, payload: packet + headerLength, payloadLength: payloadLength,
      salt: salt, ssrc: ssrc, index: index)
  }

  #if arch(x86_64)
    @inline(__always)
    private func openByIPsecMB(_ work: PacketWork, engine: inout CryptographyEngine) -> Bool {
      switch ipsecMB {
      case .none: false
      case .some(let session):
        profile == .aes128CMHMACSHA180
          ? engine.ipsecMB.open(work, keys: session.pointers) : session.openGCM(work, engine: engine.ipsecMB)
      }
    }
  #endif

  private func openByOpenSSL(_ work: PacketWork) -> Bool {
    switch openSSL {
    case .none: false
    case .some(let session):
      profile == .aes128CMHMACSHA180 ? session.contexts.openCM(work) : session.contexts.openGCM(work)
    }
  }
}
