import COpenSSL

/// One direction's session keys in OpenSSL contexts, made once and reused for every packet.
struct OpenSSLSession: ~Copyable {
  enum Direction {
    case sealing
    case opening
  }

  /// Good as long as the session.
  let contexts: OpenSSLContexts

  init?(_ keys: SRTPSessionKeys, _ direction: Direction) {
    guard let cipher = Self.makeCipher(keys, direction) else { return nil }
    let isGCM = keys.profile != .aes128CMHMACSHA180
    let authenticator = isGCM ? nil : Self.makeAuthenticator(keys.authenticationKey)
    guard isGCM || authenticator != nil else {
      EVP_CIPHER_CTX_free(cipher)
      return nil
    }
    contexts = OpenSSLContexts(
      cipher: cipher, authenticator: authenticator, scratch: .allocate(byteCount: 48, alignment: 16))
  }

  deinit {
    EVP_CIPHER_CTX_free(contexts.cipher)
    if let authenticator = contexts.authenticator { EVP_MAC_CTX_free(authenticator) }
    contexts.scratch.deallocate()
  }

  private static func makeCipher(_ keys: SRTPSessionKeys, _ direction: Direction) -> OpaquePointer? {
    let algorithm =
      switch keys.profile {
      case .aes128CMHMACSHA180: EVP_aes_128_ctr()
      case .aeadAES128GCM: EVP_aes_128_gcm()
      case .aeadAES256GCM: EVP_aes_256_gcm()
      }
    guard let context = EVP_CIPHER_CTX_new() else { return nil }
    // Counter mode decrypts by encrypting.
    let encrypts: CInt = direction == .sealing || keys.profile == .aes128CMHMACSHA180 ? 1 : 0
    guard EVP_CipherInit_ex(context, algorithm, nil, keys.encryptionKey, nil, encrypts) == 1 else {
      EVP_CIPHER_CTX_free(context)
      return nil
    }
    return context
  }

  private static func makeAuthenticator(_ key: [UInt8]) -> OpaquePointer? {
    guard let algorithm = EVP_MAC_fetch(nil, "HMAC", nil) else { return nil }
    defer { EVP_MAC_free(algorithm) }
    guard let context = EVP_MAC_CTX_new(algorithm) else { return nil }
    var name = Array("SHA1".utf8CString)
    let isReady = name.withUnsafeMutableBufferPointer { name in
      var parameters = [OSSL_PARAM_construct_utf8_string("digest", name.baseAddress, 0), OSSL_PARAM_construct_end()]
      return EVP_MAC_init(context, key, key.count, &parameters) == 1
    }
    guard isReady else {
      EVP_MAC_CTX_free(context)
      return nil
    }
    return context
  }
}

/// The operations of an `OpenSSLSession`, which owns what these point to.
struct OpenSSLContexts {
  let cipher: OpaquePointer
  /// HMAC-SHA1; nil for GCM.
  let authenticator: OpaquePointer?
  /// An IV of 16 octets and a tag of 20.
  let scratch: UnsafeMutableRawPointer
  private var tag: UnsafeMutableRawPointer { scratch + 16 }

  /// Encrypts the payload behind its header and appends the tag. False if OpenSSL refuses.
  func sealGCM(_ work: PacketWork) -> Bool {
    work.salt.writeGCMVector(ssrc: work.ssrc, index: work.index, to: scratch)
    let out = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
    let iv = scratch.assumingMemoryBound(to: UInt8.self)
    let aad = work.packet.assumingMemoryBound(to: UInt8.self)
    let plain = work.payload.assumingMemoryBound(to: UInt8.self)
    let payloadLength = work.payloadLength
    var count: CInt = 0
    return EVP_EncryptInit_ex(cipher, nil, nil, nil, iv) == 1
      && EVP_EncryptUpdate(cipher, nil, &count, aad, CInt(work.headerLength)) == 1
      && (payloadLength == 0 || EVP_EncryptUpdate(cipher, out, &count, plain, CInt(payloadLength)) == 1)
      && EVP_EncryptFinal_ex(cipher, out + payloadLength, &count) == 1
      && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, out + payloadLength) == 1
  }

  /// Checks the tag behind the payload and decrypts in place. False if it is wrong; the payload is garbage then.
  func openGCM(_ work: PacketWork) -> Bool {
    work.salt.writeGCMVector(ssrc: work.ssrc, index: work.index, to: scratch)
    let text = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
    let iv = scratch.assumingMemoryBound(to: UInt8.self)
    let aad = work.packet.assumingMemoryBound(to: UInt8.self)
    let payloadLength = work.payloadLength
    var count: CInt = 0
    return EVP_DecryptInit_ex(cipher, nil, nil, nil, iv) == 1
      && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, text + payloadLength) == 1
      && EVP_DecryptUpdate(cipher, nil, &count, aad, CInt(work.headerLength)) == 1
      && (payloadLength == 0 || EVP_DecryptUpdate(cipher, text, &count, text, CInt(payloadLength)) == 1)
      && EVP_DecryptFinal_ex(cipher, tag.assumingMemoryBound(to: UInt8.self), &count) == 1
  }

  /// AES-CM with HMAC-SHA1: encrypts the payload behind its header and appends the tag, cut to 80 bits. False if OpenSSL
  /// refuses.
  func sealCM(_ work: PacketWork) -> Bool {
    guard applyKeystream(work), let tag = authenticate(work) else { return false }
    (work.packet + work.length).copyMemory(from: tag, byteCount: SRTPProfile.aes128CMHMACSHA180.tagLength)
    return true
  }

  /// AES-CM with HMAC-SHA1: checks the tag behind the packet and decrypts the payload. False if the tag is wrong.
  func openCM(_ work: PacketWork) -> Bool {
    guard let tag = authenticate(work),
      tagsAreEqual(tag, work.packet + work.length, count: SRTPProfile.aes128CMHMACSHA180.tagLength)
    else { return false }
    return applyKeystream(work)
  }

  /// XORs the keystream of (SSRC, index) onto the payload, from where it lies to behind the header.
  private func applyKeystream(_ work: PacketWork) -> Bool {
    guard work.payloadLength > 0 else { return true }
    work.salt.writeCounterBlock(ssrc: work.ssrc, index: work.index, to: scratch)
    let output = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
    var written: CInt = 0
    return EVP_EncryptInit_ex(cipher, nil, nil, nil, scratch.assumingMemoryBound(to: UInt8.self)) == 1
      && EVP_EncryptUpdate(
        cipher, output, &written, work.payload.assumingMemoryBound(to: UInt8.self), CInt(work.payloadLength)) == 1
  }

  /// The HMAC-SHA1 of the packet and its rollover counter (RFC 3711 section 4.2): 20 octets, valid until the next call. nil
  /// if OpenSSL refuses.
  private func authenticate(_ work: PacketWork) -> UnsafeRawPointer? {
    guard let authenticator else { return nil }
    scratch.storeBytes(of: UInt32(truncatingIfNeeded: work.index >> 16).bigEndian, as: UInt32.self)
    var length = 0
    let digest = tag.assumingMemoryBound(to: UInt8.self)
    guard EVP_MAC_init(authenticator, nil, 0, nil) == 1,
      EVP_MAC_update(authenticator, work.packet.assumingMemoryBound(to: UInt8.self), work.length) == 1,
      EVP_MAC_update(authenticator, scratch.assumingMemoryBound(to: UInt8.self), 4) == 1,
      EVP_MAC_final(authenticator, digest, &length, 20) == 1, length == 20
    else { return nil }
    return UnsafeRawPointer(digest)
  }
}
