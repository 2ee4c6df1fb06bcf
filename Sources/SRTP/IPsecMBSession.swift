#if arch(x86_64)
  import CIPsecMB

  /// One direction's session keys as intel-ipsec-mb wants them.
  struct IPsecMBSession: ~Copyable {
    /// GCM: `gcm_key_data` (round keys and hash-key powers). AES-CM: round keys, then the two HMAC states.
    private let material: UnsafeMutableRawPointer
    private let encrypt: aes_gcm_enc_dec_t
    private let decrypt: aes_gcm_enc_dec_t

    private static let roundKeysSize = 256
    private static let stateSize = 64

    /// What an AES-CM job points to; good as long as the session.
    var pointers: IPsecMBPointers {
      let octets = material.assumingMemoryBound(to: UInt8.self)
      return IPsecMBPointers(
        roundKeys: UnsafeRawPointer(material), innerState: UnsafePointer(octets + Self.roundKeysSize),
        outerState: UnsafePointer(octets + Self.roundKeysSize + Self.stateSize))
    }

    /// nil if the engine has no ipsec-mb.
    init?(_ keys: SRTPSessionKeys, _ engine: borrowing IPsecMBEngine) {
      guard let manager = engine.managers?.wide else { return nil }
      let is256 = keys.profile == .aeadAES256GCM
      guard let encrypt = is256 ? manager.pointee.gcm256_enc : manager.pointee.gcm128_enc,
        let decrypt = is256 ? manager.pointee.gcm256_dec : manager.pointee.gcm128_dec
      else { return nil }
      self.encrypt = encrypt
      self.decrypt = decrypt
      let size = max(MemoryLayout<gcm_key_data>.size, Self.roundKeysSize * 2 + Self.stateSize * 2)
      material = .allocate(byteCount: size, alignment: 64)
      material.initializeMemory(as: UInt8.self, repeating: 0, count: size)
      switch keys.profile {
      case .aeadAES128GCM:
        manager.pointee.gcm128_pre(keys.encryptionKey, material.assumingMemoryBound(to: gcm_key_data.self))
      case .aeadAES256GCM:
        manager.pointee.gcm256_pre(keys.encryptionKey, material.assumingMemoryBound(to: gcm_key_data.self))
      case .aes128CMHMACSHA180:
        // The decryption round keys, unused in counter mode, land behind everything else.
        manager.pointee.keyexp_128(
          keys.encryptionKey, material, material + Self.roundKeysSize + 2 * Self.stateSize)
        Self.hashBlock(keys.authenticationKey, xor: 0x36, manager, into: material + Self.roundKeysSize)
        Self.hashBlock(keys.authenticationKey, xor: 0x5c, manager, into: material + Self.roundKeysSize + Self.stateSize)
      }
    }

    deinit { material.deallocate() }

    @inline(__always)
    func sealGCM(_ work: PacketWork, engine: borrowing IPsecMBEngine) {
      work.salt.writeGCMVector(ssrc: work.ssrc, index: work.index, to: engine.vector)
      let out = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
      encrypt(
        material.assumingMemoryBound(to: gcm_key_data.self), engine.context, out,
        work.payload.assumingMemoryBound(to: UInt8.self), UInt64(work.payloadLength),
        engine.vector.assumingMemoryBound(to: UInt8.self), work.packet.assumingMemoryBound(to: UInt8.self),
        UInt64(work.headerLength), out + work.payloadLength, 16)
    }

    /// Decrypts in place. False if the tag behind the payload is wrong; the payload is garbage then.
    @inline(__always)
    func openGCM(_ work: PacketWork, engine: borrowing IPsecMBEngine) -> Bool {
      work.salt.writeGCMVector(ssrc: work.ssrc, index: work.index, to: engine.vector)
      let text = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
      var tag = (UInt64(0), UInt64(0))
      return withUnsafeMutableBytes(of: &tag) { tag in
        guard let tag = tag.baseAddress else { return false }
        decrypt(
          material.assumingMemoryBound(to: gcm_key_data.self), engine.context, text, text,
          UInt64(work.payloadLength), engine.vector.assumingMemoryBound(to: UInt8.self),
          work.packet.assumingMemoryBound(to: UInt8.self), UInt64(work.headerLength),
          tag.assumingMemoryBound(to: UInt8.self), 16)
        return tagsAreEqual(tag, text + work.payloadLength, count: 16)
      }
    }

    /// The SHA-1 state after one block: the key, zero-padded, XOR a constant.
    private static func hashBlock(
      _ key: [UInt8], xor constant: UInt8, _ manager: UnsafeMutablePointer<IMB_MGR>, into state: UnsafeMutableRawPointer
    ) {
      let block = (0..<64).map { ($0 < key.count ? key[$0] : 0) ^ constant }
      manager.pointee.sha1_one_block(block, state)
    }
  }

  struct IPsecMBPointers {
    let roundKeys: UnsafeRawPointer
    /// SHA-1 states after the key XOR ipad, and XOR opad (RFC 2104).
    let innerState: UnsafePointer<UInt8>
    let outerState: UnsafePointer<UInt8>
  }
#endif
