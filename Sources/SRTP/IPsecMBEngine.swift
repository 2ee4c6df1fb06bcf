#if arch(x86_64)
  import CIPsecMB

  /// One worker's intel-ipsec-mb: its manager and the AES-CM packets that are in flight in its multi-buffer queue.
  ///
  /// GCM runs at once, by the direct calls. HMAC-SHA1 is fast only when many packets are hashed side by side, so AES-CM
  /// packets are queued and become complete at `flush` at the latest.
  struct IPsecMBEngine: ~Copyable {
    /// nil where the processor lacks AES instructions or OpenSSL was asked for.
    let manager: UnsafeMutablePointer<IMB_MGR>?
    /// Packets submitted and not complete.
    private(set) var inFlight = 0
    /// Per packet in flight: a counter block (16 octets) and the whole tag (20, in 32).
    private let slots: UnsafeMutableRawPointer
    private var nextSlot = 0
    /// Scratch of the direct GCM calls, and an IV.
    let context: UnsafeMutablePointer<gcm_context_data>
    let vector: UnsafeMutableRawPointer

    /// More than ipsec-mb's queue holds, so that a slot is free again by the time it is reused.
    private static let slotCount = 512
    private static let slotSize = 64

    var isAvailable: Bool { manager != nil }

    init(enabled: Bool) {
      manager = enabled ? Self.makeManager() : nil
      slots = .allocate(byteCount: Self.slotCount * Self.slotSize, alignment: 64)
      context = .allocate(capacity: 1)
      vector = .allocate(byteCount: 16, alignment: 16)
    }

    deinit {
      if let manager { free_mb_mgr(manager) }
      slots.deallocate()
      context.deallocate()
      vector.deallocate()
    }

    /// Queues one AES-CM packet: encrypts `payload` behind the header at `packet` (at once) and appends the tag (at
    /// `flush` at the latest).
    mutating func submit(
      _ packet: UnsafeMutableRawPointer, headerLength: Int, payload: UnsafeRawPointer, payloadLength: Int,
      keys: borrowing IPsecMBSession, salt: SessionSalt, ssrc: UInt32, index: UInt64
    ) {
      guard let manager, let job = manager.pointee.get_next_job(manager) else { return }
      let slot = slots + nextSlot * Self.slotSize
      nextSlot = (nextSlot &+ 1) & (Self.slotCount &- 1)
      salt.writeCounterBlock(ssrc: ssrc, index: index, to: slot)
      let length = headerLength &+ payloadLength
      // The rollover counter is authenticated behind the packet, where the tag will lie (RFC 3711 section 4.2).
      (packet + length).storeBytes(of: UInt32(truncatingIfNeeded: index >> 16).bigEndian, as: UInt32.self)

      job.pointee.cipher_mode = payloadLength > 0 ? IMB_CIPHER_CNTR : IMB_CIPHER_NULL
      job.pointee.cipher_direction = IMB_DIR_ENCRYPT
      job.pointee.chain_order = IMB_ORDER_CIPHER_HASH
      job.pointee.enc_keys = keys.expandedKey
      job.pointee.dec_keys = keys.expandedKey
      job.pointee.key_len_in_bytes = 16
      job.pointee.src = payload.assumingMemoryBound(to: UInt8.self)
      job.pointee.dst = (packet + headerLength).assumingMemoryBound(to: UInt8.self)
      job.pointee.cipher_start_src_offset_in_bytes = 0
      job.pointee.msg_len_to_cipher_in_bytes = UInt64(payloadLength)
      job.pointee.iv = UnsafePointer(slot.assumingMemoryBound(to: UInt8.self))
      job.pointee.iv_len_in_bytes = 16
      job.pointee.hash_alg = IMB_AUTH_HMAC_SHA_1
      // ipsec-mb hashes what lies at `src` plus this offset; the ciphertext is elsewhere, hence the difference.
      job.pointee.hash_start_src_offset_in_bytes = UInt64(bitPattern: Int64(UnsafeRawPointer(packet) - payload))
      job.pointee.msg_len_to_hash_in_bytes = UInt64(length &+ 4)
      job.pointee.auth_tag_output = (slot + 16).assumingMemoryBound(to: UInt8.self)
      job.pointee.auth_tag_output_len_in_bytes = 20
      job.pointee.u.HMAC._hashed_auth_key_xor_ipad = keys.innerState
      job.pointee.u.HMAC._hashed_auth_key_xor_opad = keys.outerState
      job.pointee.user_data = packet + length
      inFlight &+= 1
      complete(manager.pointee.submit_job_nocheck(manager))
    }

    /// Waits for everything in flight.
    mutating func flush() {
      guard let manager else { return }
      while inFlight > 0, let job = manager.pointee.flush_job(manager) { complete(job) }
    }

    /// Moves a finished job's tag, cut to 80 bits, behind its packet.
    @inline(__always)
    private mutating func complete(_ job: UnsafeMutablePointer<IMB_JOB>?) {
      guard let job, let target = job.pointee.user_data, let tag = job.pointee.auth_tag_output else { return }
      target.copyMemory(from: tag, byteCount: 10)
      inFlight &-= 1
    }

    private static func makeManager() -> UnsafeMutablePointer<IMB_MGR>? {
      guard let manager = alloc_mb_mgr(0) else { return nil }
      init_mb_mgr_auto(manager, nil)
      let needed = UInt64(IMB_FEATURE_AESNI) | UInt64(IMB_FEATURE_PCLMULQDQ)
      guard manager.pointee.features & needed == needed, manager.pointee.gcm128_enc != nil else {
        free_mb_mgr(manager)
        return nil
      }
      return manager
    }
  }
#endif
