#if arch(x86_64)
  import CIPsecMB

  /// AES-CM packets that intel-ipsec-mb works on together: HMAC-SHA1 is fast for many packets side by side, and slow for one
  /// alone.
  struct IPsecMBBatch: ~Copyable {
    static let capacity = 64
    private static let tagLength = SRTPProfile.aes128CMHMACSHA180.tagLength

    private let jobs: UnsafeMutablePointer<IMB_JOB>
    private(set) var count = 0
    /// What each job needs besides.
    private let slots: UnsafeMutableRawPointer

    /// Offsets in a slot.
    private enum Slot {
      /// 16 octets.
      static let counterBlock = 0
      /// As ipsec-mb writes it, 20 octets.
      static let tag = 16
      /// The packet's last octets, where the rollover counter is put meanwhile.
      static let end = 36
      /// 16 octets that nobody reads.
      static let unused = 48
      /// The packet index.
      static let index = 64
      static let size = 128
    }

    /// The lanes of HMAC-SHA1 on processors with AVX-512.
    private static let widestLanes = 16
    /// Measured: one pass over 16 lanes costs as much as this many packets by SHA instructions.
    private static let fewestForWide = 6

    init() {
      jobs = .allocate(capacity: Self.capacity)
      jobs.initialize(repeating: IMB_JOB(), count: Self.capacity)
      slots = .allocate(byteCount: Self.capacity * Slot.size, alignment: 64)
      slots.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity * Slot.size)
    }

    deinit {
      jobs.deallocate()
      slots.deallocate()
    }

    var isEmpty: Bool { count == 0 }
    var isFull: Bool { count == Self.capacity }

    mutating func removeAll() { count = 0 }

    @inline(__always)
    private func slot(_ i: Int) -> UnsafeMutableRawPointer { slots + i &* Slot.size }

    // MARK: Sealing

    /// Adds a packet to seal; there must be room.
    @inline(__always)
    mutating func add(_ work: PacketWork, keys: IPsecMBPointers) {
      let slot = slot(count)
      let job = jobs + count
      count &+= 1
      work.salt.writeCounterBlock(ssrc: work.ssrc, index: work.index, to: slot + Slot.counterBlock)
      slot.storeBytes(of: work.index, toByteOffset: Slot.index, as: UInt64.self)
      // The rollover counter is authenticated behind the packet, where the tag belongs (RFC 3711 section 4.2).
      let end = work.packet + work.length
      end.storeBytes(of: UInt32(truncatingIfNeeded: work.index >> 16).bigEndian, as: UInt32.self)
      job.pointee.user_data = end
      job.pointee.enc_keys = keys.roundKeys
      job.pointee.key_len_in_bytes = 16
      job.pointee.src = work.payload.assumingMemoryBound(to: UInt8.self)
      job.pointee.dst = (work.packet + work.headerLength).assumingMemoryBound(to: UInt8.self)
      job.pointee.cipher_start_src_offset_in_bytes = 0
      job.pointee.msg_len_to_cipher_in_bytes = UInt64(work.payloadLength)
      job.pointee.iv = UnsafePointer((slot + Slot.counterBlock).assumingMemoryBound(to: UInt8.self))
      job.pointee.iv_len_in_bytes = 16
      // ipsec-mb hashes what lies at `src` plus this offset; the packet may be elsewhere, hence the difference.
      job.pointee.hash_start_src_offset_in_bytes = UInt64(
        bitPattern: Int64(UnsafeRawPointer(work.packet) - work.payload))
      job.pointee.msg_len_to_hash_in_bytes = UInt64(work.length &+ 4)
      job.pointee.auth_tag_output = (slot + Slot.tag).assumingMemoryBound(to: UInt8.self)
      job.pointee.auth_tag_output_len_in_bytes = 20
      job.pointee.u.HMAC._hashed_auth_key_xor_ipad = keys.innerState
      job.pointee.u.HMAC._hashed_auth_key_xor_opad = keys.outerState
    }

    /// Seals every packet.
    func seal(_ managers: IPsecMBManagers) {
      cipher(0, count: count, by: managers.wide)
      hash(managers)
      for i in 0..<count {
        jobs[i].user_data?.copyMemory(from: slot(i) + Slot.tag, byteCount: Self.tagLength)
      }
    }

    // MARK: Opening

    /// Adds a packet to open; there must be room. What is behind its payload comes back with `computeTags`.
    mutating func add(received work: PacketWork, keys: IPsecMBPointers) {
      (slot(count) + Slot.end).copyMemory(from: work.packet + work.length, byteCount: 4)
      add(work, keys: keys)
    }

    /// Computes the tags that genuine packets have.
    func computeTags(_ managers: IPsecMBManagers) {
      hash(managers)
      for i in 0..<count { jobs[i].user_data?.copyMemory(from: slot(i) + Slot.end, byteCount: 4) }
    }

    /// The first job from `start` on that is to open just this packet.
    @inline(__always)
    func find(_ work: PacketWork, keys: IPsecMBPointers, from start: Int) -> Int? {
      let end = work.packet + work.length
      for i in start..<count where jobs[i].user_data == end {
        let isSame =
          jobs[i].msg_len_to_hash_in_bytes == UInt64(work.length &+ 4) && jobs[i].enc_keys == keys.roundKeys
          && slot(i).load(fromByteOffset: Slot.index, as: UInt64.self) == work.index
        return isSame ? i : nil
      }
      return nil
    }

    /// Decrypts packet `i`, if its tag is the one computed.
    func open(_ i: Int, _ managers: IPsecMBManagers) -> Bool {
      guard let tag = jobs[i].user_data, tagsAreEqual(tag, slot(i) + Slot.tag, count: Self.tagLength) else {
        return false
      }
      cipher(i, count: 1, by: managers.wide)
      return true
    }

    // MARK: Both

    /// Encrypts, or decrypts, which is the same.
    private func cipher(_ first: Int, count: Int, by manager: UnsafeMutablePointer<IMB_MGR>) {
      for i in first..<first &+ count where jobs[i].msg_len_to_cipher_in_bytes == 0 { cipherUnusedOctets(i) }
      _ = manager.pointee.submit_cipher_burst_nocheck(
        manager, jobs + first, UInt32(truncatingIfNeeded: count), IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES)
    }

    /// For an empty payload, of which ipsec-mb does not say what becomes.
    private func cipherUnusedOctets(_ i: Int) {
      guard let source = jobs[i].src else { return }
      let unused = (slot(i) + Slot.unused).assumingMemoryBound(to: UInt8.self)
      let distance = Int(bitPattern: source) &- Int(bitPattern: unused)
      jobs[i].hash_start_src_offset_in_bytes &+= UInt64(bitPattern: Int64(distance))
      jobs[i].src = UnsafePointer(unused)
      jobs[i].dst = unused
      jobs[i].msg_len_to_cipher_in_bytes = 16
    }

    /// In as many lanes as the processor's vectors have; those left beside full lanes by SHA instructions, if they are few.
    private func hash(_ managers: IPsecMBManagers) {
      let left = count % Self.widestLanes
      let wideCount = left < Self.fewestForWide ? count &- left : count
      hash(0, count: wideCount, by: managers.wide)
      hash(wideCount, count: count &- wideCount, by: managers.narrow)
    }

    private func hash(_ first: Int, count: Int, by manager: UnsafeMutablePointer<IMB_MGR>) {
      guard count > 0 else { return }
      _ = manager.pointee.submit_hash_burst_nocheck(
        manager, jobs + first, UInt32(truncatingIfNeeded: count), IMB_AUTH_HMAC_SHA_1)
    }
  }
#endif
