#if arch(x86_64)
  import CIPsecMB

  /// One worker's intel-ipsec-mb: its manager, and the AES-CM packets that wait for company.
  ///
  /// GCM runs at once, by the direct calls. HMAC-SHA1 is fast when many packets are hashed side by side, and slow for one
  /// alone, since the lanes beside it run empty. So AES-CM packets are queued: a full queue goes to ipsec-mb; of what is
  /// left at `flush`, a few packets are quicker by OpenSSL.
  struct IPsecMBEngine: ~Copyable {
    /// nil where the processor lacks AES instructions or OpenSSL was asked for.
    let manager: UnsafeMutablePointer<IMB_MGR>?
    private let queued: UnsafeMutablePointer<Job>
    private var queuedCount = 0
    /// Packets that ipsec-mb has and has not finished.
    private var inFlight = 0
    /// Per packet in flight: a counter block (16 octets) and the whole tag (20, in 32).
    private let slots: UnsafeMutableRawPointer
    private var nextSlot = 0
    /// Scratch of the direct GCM calls, and an IV.
    let context: UnsafeMutablePointer<gcm_context_data>
    let vector: UnsafeMutableRawPointer

    private struct Job {
      let work: SealingWork
      let keys: IPsecMBPointers
      let alternative: OpenSSLContexts
    }

    /// The lanes of HMAC-SHA1 on processors with AVX-512.
    private static let queueCapacity = 16
    /// Measured: one pass over 16 lanes costs as much as three packets by OpenSSL.
    private static let fewestForLanes = 4
    /// More than ipsec-mb's own queue holds, so that a slot is free again by the time it is reused.
    private static let slotCount = 512
    private static let slotSize = 64

    var isAvailable: Bool { manager != nil }
    var isIdle: Bool { queuedCount == 0 && inFlight == 0 }

    init(enabled: Bool) {
      manager = enabled ? Self.makeManager() : nil
      queued = .allocate(capacity: Self.queueCapacity)
      slots = .allocate(byteCount: Self.slotCount * Self.slotSize, alignment: 64)
      context = .allocate(capacity: 1)
      vector = .allocate(byteCount: 16, alignment: 16)
    }

    deinit {
      if let manager { free_mb_mgr(manager) }
      queued.deallocate()
      slots.deallocate()
      context.deallocate()
      vector.deallocate()
    }

    /// Takes one AES-CM packet, to be complete after `flush`.
    @inline(__always)
    mutating func queue(_ work: SealingWork, keys: IPsecMBPointers, alternative: OpenSSLContexts) {
      (queued + queuedCount).initialize(to: Job(work: work, keys: keys, alternative: alternative))
      queuedCount &+= 1
      if queuedCount == Self.queueCapacity { submitQueue() }
    }

    /// Completes every packet.
    mutating func flush() {
      if queuedCount < Self.fewestForLanes {
        for i in 0..<queuedCount where !queued[i].alternative.sealCM(queued[i].work) { submit(queued[i]) }
        queuedCount = 0
      } else {
        submitQueue()
      }
      guard let manager else { return }
      while inFlight > 0, let job = manager.pointee.flush_job(manager) { complete(job) }
    }

    private mutating func submitQueue() {
      for i in 0..<queuedCount { submit(queued[i]) }
      queuedCount = 0
    }

    private mutating func submit(_ packet: Job) {
      guard let manager, let job = manager.pointee.get_next_job(manager) else { return }
      let slot = slots + nextSlot * Self.slotSize
      nextSlot = (nextSlot &+ 1) & (Self.slotCount &- 1)
      let work = packet.work
      work.salt.writeCounterBlock(ssrc: work.ssrc, index: work.index, to: slot)
      // The rollover counter is authenticated behind the packet, where the tag will lie (RFC 3711 section 4.2).
      (work.packet + work.length).storeBytes(
        of: UInt32(truncatingIfNeeded: work.index >> 16).bigEndian, as: UInt32.self)
      Self.fill(job, work, packet.keys, slot)
      inFlight &+= 1
      complete(manager.pointee.submit_job_nocheck(manager))
    }

    private static func fill(
      _ job: UnsafeMutablePointer<IMB_JOB>, _ work: SealingWork, _ keys: IPsecMBPointers,
      _ slot: UnsafeMutableRawPointer
    ) {
      job.pointee.cipher_mode = work.payloadLength > 0 ? IMB_CIPHER_CNTR : IMB_CIPHER_NULL
      job.pointee.cipher_direction = IMB_DIR_ENCRYPT
      job.pointee.chain_order = IMB_ORDER_CIPHER_HASH
      job.pointee.enc_keys = keys.roundKeys
      job.pointee.dec_keys = keys.roundKeys
      job.pointee.key_len_in_bytes = 16
      job.pointee.src = work.payload.assumingMemoryBound(to: UInt8.self)
      job.pointee.dst = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
      job.pointee.cipher_start_src_offset_in_bytes = 0
      job.pointee.msg_len_to_cipher_in_bytes = UInt64(work.payloadLength)
      job.pointee.iv = UnsafePointer(slot.assumingMemoryBound(to: UInt8.self))
      job.pointee.iv_len_in_bytes = 16
      job.pointee.hash_alg = IMB_AUTH_HMAC_SHA_1
      // ipsec-mb hashes what lies at `src` plus this offset; the ciphertext is elsewhere, hence the difference.
      job.pointee.hash_start_src_offset_in_bytes = UInt64(
        bitPattern: Int64(UnsafeRawPointer(work.packet) - work.payload))
      job.pointee.msg_len_to_hash_in_bytes = UInt64(work.length &+ 4)
      job.pointee.auth_tag_output = (slot + 16).assumingMemoryBound(to: UInt8.self)
      job.pointee.auth_tag_output_len_in_bytes = 20
      job.pointee.u.HMAC._hashed_auth_key_xor_ipad = keys.innerState
      job.pointee.u.HMAC._hashed_auth_key_xor_opad = keys.outerState
      job.pointee.user_data = work.packet + work.length
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
