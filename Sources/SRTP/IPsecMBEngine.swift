#if arch(x86_64)
  import CIPsecMB

  /// One worker's intel-ipsec-mb: its managers, and the AES-CM packets that wait for company.
  ///
  /// GCM runs at once, by the direct calls. HMAC-SHA1 is fast when many packets are hashed side by side, and slow for one
  /// alone, since the lanes beside it run empty. So AES-CM packets to seal are queued: a full queue goes to the manager
  /// with the most lanes, as does what is left at `flush`, unless it is only a few.
  struct IPsecMBEngine: ~Copyable {
    /// HMAC-SHA1 in as many lanes as the processor's vectors have. nil where the processor lacks AES instructions or
    /// OpenSSL was asked for.
    let wide: UnsafeMutablePointer<IMB_MGR>?
    /// HMAC-SHA1 for few packets: two at a time by the processor's SHA instructions, where it has them. Empty between calls.
    private let narrow: UnsafeMutablePointer<IMB_MGR>?
    private let queued: UnsafeMutablePointer<Job>
    private var queuedCount = 0
    /// Packets that the managers have and have not finished.
    private var inFlight = 0
    /// Per packet in flight, and at last for the one that is opened: a counter block (16 octets) and the whole tag (20, in 32).
    private let slots: UnsafeMutableRawPointer
    private var nextSlot = 0
    /// Scratch of the direct GCM calls, and an IV.
    let context: UnsafeMutablePointer<gcm_context_data>
    let vector: UnsafeMutableRawPointer

    private struct Job {
      let work: PacketWork
      let keys: IPsecMBPointers
    }

    /// The lanes of HMAC-SHA1 on processors with AVX-512.
    private static let queueCapacity = 16
    /// Measured: one pass over 16 lanes costs as much as this many packets by SHA instructions.
    private static let fewestForWide = 6
    /// More than ipsec-mb's own queue holds, so that a slot is free again by the time it is reused.
    private static let slotCount = 512
    private static let slotSize = 64
    private static let tagLength = SRTPProfile.aes128CMHMACSHA180.tagLength

    var isAvailable: Bool { wide != nil }
    var isIdle: Bool { queuedCount == 0 && inFlight == 0 }

    init(enabled: Bool) {
      let wide = enabled ? Self.makeManager { init_mb_mgr_auto($0, nil) } : nil
      // The SSE flavour is the one that has SHA instructions.
      narrow = wide == nil ? nil : Self.makeManager(init_mb_mgr_sse)
      if let wide, narrow == nil { free_mb_mgr(wide) }
      self.wide = narrow == nil ? nil : wide
      queued = .allocate(capacity: Self.queueCapacity)
      slots = .allocate(byteCount: (Self.slotCount + 1) * Self.slotSize, alignment: 64)
      context = .allocate(capacity: 1)
      vector = .allocate(byteCount: 16, alignment: 16)
    }

    deinit {
      for manager in [wide, narrow] { if let manager { free_mb_mgr(manager) } }
      queued.deallocate()
      slots.deallocate()
      context.deallocate()
      vector.deallocate()
    }

    /// Takes one AES-CM packet to seal, to be complete after `flush`.
    @inline(__always)
    mutating func queue(_ work: PacketWork, keys: IPsecMBPointers) {
      (queued + queuedCount).initialize(to: Job(work: work, keys: keys))
      queuedCount &+= 1
      if queuedCount == Self.queueCapacity { submitQueue(to: wide) }
    }

    /// Completes every packet queued.
    mutating func flush() {
      let manager = inFlight == 0 && queuedCount < Self.fewestForWide ? narrow : wide
      submitQueue(to: manager)
      guard let manager else { return }
      while inFlight > 0, let job = manager.pointee.flush_job(manager) { appendTag(of: job) }
    }

    private mutating func submitQueue(to manager: UnsafeMutablePointer<IMB_MGR>?) {
      guard let manager else { return }
      for i in 0..<queuedCount { submit(queued[i], to: manager) }
      queuedCount = 0
    }

    private mutating func submit(_ packet: Job, to manager: UnsafeMutablePointer<IMB_MGR>) {
      guard let job = manager.pointee.get_next_job(manager) else { return }
      fill(job, packet.work, packet.keys, slots + nextSlot * Self.slotSize)
      nextSlot = (nextSlot &+ 1) & (Self.slotCount &- 1)
      job.pointee.cipher_direction = IMB_DIR_ENCRYPT
      job.pointee.chain_order = IMB_ORDER_CIPHER_HASH
      inFlight &+= 1
      appendTag(of: manager.pointee.submit_job_nocheck(manager))
    }

    /// Moves a finished job's tag, cut to 80 bits, behind its packet.
    @inline(__always)
    private mutating func appendTag(of job: UnsafeMutablePointer<IMB_JOB>?) {
      guard let job, let target = job.pointee.user_data, let tag = job.pointee.auth_tag_output else { return }
      target.copyMemory(from: tag, byteCount: Self.tagLength)
      inFlight &-= 1
    }

    /// Checks the tag behind an AES-CM packet and decrypts the payload. False if the tag is wrong; payload and tag are
    /// garbage then.
    mutating func open(_ work: PacketWork, keys: IPsecMBPointers) -> Bool {
      guard let narrow, let job = narrow.pointee.get_next_job(narrow) else { return false }
      let received = work.packet + work.length
      var expected = InlineArray<2, UInt64>(repeating: 0)
      withUnsafeMutableBytes(of: &expected) {
        $0.copyMemory(from: UnsafeRawBufferPointer(start: received, count: Self.tagLength))
      }
      fill(job, work, keys, slots + Self.slotCount * Self.slotSize)
      job.pointee.cipher_direction = IMB_DIR_DECRYPT
      job.pointee.chain_order = IMB_ORDER_HASH_CIPHER
      guard let done = narrow.pointee.submit_job_nocheck(narrow) ?? narrow.pointee.flush_job(narrow),
        let tag = done.pointee.auth_tag_output
      else { return false }
      return withUnsafeBytes(of: &expected) {
        guard let expected = $0.baseAddress else { return false }
        return tagsAreEqual(tag, expected, count: Self.tagLength)
      }
    }

    /// What sealing and opening have in common.
    private func fill(
      _ job: UnsafeMutablePointer<IMB_JOB>, _ work: PacketWork, _ keys: IPsecMBPointers,
      _ slot: UnsafeMutableRawPointer
    ) {
      work.salt.writeCounterBlock(ssrc: work.ssrc, index: work.index, to: slot)
      // The rollover counter is authenticated behind the packet, where the tag lies or will lie (RFC 3711 section 4.2).
      (work.packet + work.length).storeBytes(
        of: UInt32(truncatingIfNeeded: work.index >> 16).bigEndian, as: UInt32.self)
      job.pointee.cipher_mode = work.payloadLength > 0 ? IMB_CIPHER_CNTR : IMB_CIPHER_NULL
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
      // ipsec-mb hashes what lies at `src` plus this offset; the packet may be elsewhere, hence the difference.
      job.pointee.hash_start_src_offset_in_bytes = UInt64(
        bitPattern: Int64(UnsafeRawPointer(work.packet) - work.payload))
      job.pointee.msg_len_to_hash_in_bytes = UInt64(work.length &+ 4)
      job.pointee.auth_tag_output = (slot + 16).assumingMemoryBound(to: UInt8.self)
      job.pointee.auth_tag_output_len_in_bytes = 20
      job.pointee.u.HMAC._hashed_auth_key_xor_ipad = keys.innerState
      job.pointee.u.HMAC._hashed_auth_key_xor_opad = keys.outerState
      job.pointee.user_data = work.packet + work.length
    }

    private static func makeManager(
      _ initialize: (UnsafeMutablePointer<IMB_MGR>) -> Void
    ) -> UnsafeMutablePointer<IMB_MGR>? {
      guard let manager = alloc_mb_mgr(0) else { return nil }
      initialize(manager)
      let needed = UInt64(IMB_FEATURE_AESNI) | UInt64(IMB_FEATURE_PCLMULQDQ)
      guard manager.pointee.features & needed == needed, manager.pointee.gcm128_enc != nil else {
        free_mb_mgr(manager)
        return nil
      }
      return manager
    }
  }
#endif
