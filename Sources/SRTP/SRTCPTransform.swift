import COpenSSL

/// Protects or opens the SRTCP packets of one direction, by OpenSSL.
///
/// ```
///  AES-CM with HMAC-SHA1 (RFC 3711 section 3.4)      AES-GCM (RFC 7714 section 9.2)
///  ┌────────────────────────────┐                    ┌────────────────────────────┐
///  │ RTCP header, sender's SSRC │ 8 octets, clear    │ RTCP header, sender's SSRC │ 8 octets, clear
///  │ rest of the packets        │ encrypted          │ rest of the packets        │ encrypted
///  │ E | SRTCP index            │ 1 + 31 bits        │ tag                        │ 16 octets
///  │ tag                        │ 10 octets          │ E | SRTCP index            │ 1 + 31 bits
///  └────────────────────────────┘                    └────────────────────────────┘
/// ```
/// Both authenticate header and index.
struct SRTCPTransform: ~Copyable {
  static let largestIndex: UInt32 = 0x7fff_ffff
  /// Tag and index.
  static let largestOverhead = 20

  private static let headerLength = 8
  private static let wordLength = 4
  private static let encryptionFlag: UInt32 = 0x8000_0000

  private let profile: SRTPProfile
  private let salt: SessionSalt
  private let session: OpenSSLSession

  /// nil only if OpenSSL refuses.
  init?(_ keys: SRTPKeys, _ direction: OpenSSLSession.Direction) {
    guard let derived = SRTPSessionKeys(derivingSRTCP: keys), let session = OpenSSLSession(derived, direction) else {
      return nil
    }
    profile = keys.profile
    salt = SessionSalt(derived.salt)
    self.session = session
  }

  /// What is read of a packet before its tag is checked.
  struct Header {
    let ssrc: UInt32
    let index: UInt32
    let isEncrypted: Bool
    /// Octets of the RTCP packet.
    let length: Int
  }

  /// nil if the packet is too short to be one.
  func header(of srtcp: [UInt8]) -> Header? {
    let length = srtcp.count - Self.wordLength - profile.tagLength
    guard length >= Self.headerLength else { return nil }
    let word = srtcp.bigEndian(at: wordOffset(length))
    return Header(
      ssrc: srtcp.bigEndian(at: 4), index: word & Self.largestIndex, isEncrypted: word & Self.encryptionFlag != 0,
      length: length)
  }

  /// nil only if OpenSSL refuses. `index` must never be used twice.
  func protect(_ rtcp: [UInt8], index: UInt32) -> [UInt8]? {
    var packet = rtcp + [UInt8](repeating: 0, count: Self.wordLength + profile.tagLength)
    let word = Self.encryptionFlag | index
    for i in 0..<4 { packet[wordOffset(rtcp.count) + i] = UInt8(truncatingIfNeeded: word >> (24 - 8 * i)) }
    let header = Header(ssrc: rtcp.bigEndian(at: 4), index: index, isEncrypted: true, length: rtcp.count)
    let isSealed = packet.withUnsafeMutableBytes { packet in
      guard let base = packet.baseAddress else { return false }
      switch profile {
      case .aes128CMHMACSHA180:
        guard applyKeystream(base, header), let tag = tag(of: base, header) else { return false }
        (base + header.length + Self.wordLength).copyMemory(from: tag, byteCount: profile.tagLength)
        return true
      case .aeadAES128GCM, .aeadAES256GCM: return sealGCM(base, header)
      }
    }
    return isSealed ? packet : nil
  }

  /// The RTCP packet; nil if it is not genuine.
  func open(_ srtcp: [UInt8], _ header: Header) -> [UInt8]? {
    var packet = srtcp
    let isGenuine = packet.withUnsafeMutableBytes { packet in
      guard let base = packet.baseAddress else { return false }
      switch profile {
      case .aes128CMHMACSHA180:
        guard let tag = tag(of: base, header),
          tagsAreEqual(tag, base + header.length + Self.wordLength, count: profile.tagLength)
        else { return false }
        return !header.isEncrypted || applyKeystream(base, header)
      case .aeadAES128GCM, .aeadAES256GCM: return openGCM(base, header)
      }
    }
    guard isGenuine else { return nil }
    packet.removeLast(packet.count - header.length)
    return packet
  }

  private func wordOffset(_ length: Int) -> Int {
    profile == .aes128CMHMACSHA180 ? length : length + profile.tagLength
  }

  // MARK: AES-CM with HMAC-SHA1

  /// XORs the keystream of (SSRC, index) onto what is behind the header.
  private func applyKeystream(_ packet: UnsafeMutableRawPointer, _ header: Header) -> Bool {
    let contexts = session.contexts
    salt.writeCounterBlock(ssrc: header.ssrc, index: UInt64(header.index), to: contexts.scratch)
    let text = (packet + Self.headerLength).assumingMemoryBound(to: UInt8.self)
    let count = CInt(header.length - Self.headerLength)
    var written: CInt = 0
    return count == 0
      || EVP_EncryptInit_ex(
        contexts.cipher, nil, nil, nil, contexts.scratch.assumingMemoryBound(to: UInt8.self)) == 1
        && EVP_EncryptUpdate(contexts.cipher, text, &written, text, count) == 1
  }

  /// The HMAC-SHA1 of the packet and its word: 20 octets, valid until the next call.
  private func tag(of packet: UnsafeMutableRawPointer, _ header: Header) -> UnsafeRawPointer? {
    let contexts = session.contexts
    guard let authenticator = contexts.authenticator else { return nil }
    let digest = (contexts.scratch + 16).assumingMemoryBound(to: UInt8.self)
    var length = 0
    guard EVP_MAC_init(authenticator, nil, 0, nil) == 1,
      EVP_MAC_update(authenticator, packet.assumingMemoryBound(to: UInt8.self), header.length + Self.wordLength) == 1,
      EVP_MAC_final(authenticator, digest, &length, 20) == 1, length == 20
    else { return nil }
    return UnsafeRawPointer(digest)
  }

  // MARK: AES-GCM

  private func sealGCM(_ packet: UnsafeMutableRawPointer, _ header: Header) -> Bool {
    let cipher = session.contexts.cipher
    let (octets, text) = pointers(packet)
    let count = header.length - Self.headerLength
    var written: CInt = 0
    return EVP_EncryptInit_ex(cipher, nil, nil, nil, vector(header)) == 1
      && EVP_EncryptUpdate(cipher, nil, &written, octets, CInt(Self.headerLength)) == 1
      && EVP_EncryptUpdate(cipher, nil, &written, octets + wordOffset(header.length), CInt(Self.wordLength)) == 1
      && (count == 0 || EVP_EncryptUpdate(cipher, text, &written, text, CInt(count)) == 1)
      && EVP_EncryptFinal_ex(cipher, text + count, &written) == 1
      && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, text + count) == 1
  }

  /// In a packet sent in clear all of it is associated data (RFC 7714 section 9.3).
  private func openGCM(_ packet: UnsafeMutableRawPointer, _ header: Header) -> Bool {
    let contexts = session.contexts
    let cipher = contexts.cipher
    let (octets, text) = pointers(packet)
    let clear = header.isEncrypted ? Self.headerLength : header.length
    let count = header.length - clear
    let end = (contexts.scratch + 16).assumingMemoryBound(to: UInt8.self)
    var written: CInt = 0
    return EVP_DecryptInit_ex(cipher, nil, nil, nil, vector(header)) == 1
      && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, octets + header.length) == 1
      && EVP_DecryptUpdate(cipher, nil, &written, octets, CInt(clear)) == 1
      && EVP_DecryptUpdate(cipher, nil, &written, octets + wordOffset(header.length), CInt(Self.wordLength)) == 1
      && (count == 0 || EVP_DecryptUpdate(cipher, text, &written, text, CInt(count)) == 1)
      && EVP_DecryptFinal_ex(cipher, end, &written) == 1
  }

  /// The IV of RFC 7714 section 9.1; it is that of an RTP packet whose index is as small as an SRTCP index.
  private func vector(_ header: Header) -> UnsafePointer<UInt8> {
    let scratch = session.contexts.scratch
    salt.writeGCMVector(ssrc: header.ssrc, index: UInt64(header.index), to: scratch)
    return UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self))
  }

  private func pointers(
    _ packet: UnsafeMutableRawPointer
  ) -> (octets: UnsafeMutablePointer<UInt8>, text: UnsafeMutablePointer<UInt8>) {
    let octets = packet.assumingMemoryBound(to: UInt8.self)
    return (octets, octets + Self.headerLength)
  }
}

extension [UInt8] {
  fileprivate func bigEndian(at offset: Int) -> UInt32 {
    self[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }
}
