#if arch(x86_64)
  import CIPsecMB

  /// One worker's intel-ipsec-mb. GCM runs at once, by the direct calls; AES-CM packets to seal are gathered until `flush`,
  /// and those to open can be announced.
  struct IPsecMBEngine: ~Copyable {
    /// nil where the processor lacks AES instructions or OpenSSL was asked for.
    let managers: IPsecMBManagers?
    private var sealing = IPsecMBBatch()
    private var announced = IPsecMBBatch()
    /// The first of those announced that was not opened yet.
    private var nextAnnounced = 0
    /// A packet to open that was not announced.
    private var single = IPsecMBBatch()
    /// Scratch of the direct GCM calls, and an IV.
    let context: UnsafeMutablePointer<gcm_context_data>
    let vector: UnsafeMutableRawPointer

    var isAvailable: Bool { managers != nil }
    var isIdle: Bool { sealing.isEmpty }

    init(enabled: Bool) {
      managers = enabled ? IPsecMBManagers() : nil
      context = .allocate(capacity: 1)
      vector = .allocate(byteCount: 16, alignment: 16)
    }

    deinit {
      managers?.free()
      context.deallocate()
      vector.deallocate()
    }

    /// Takes one AES-CM packet to seal, to be complete after `flush`.
    @inline(__always)
    mutating func queue(_ work: PacketWork, keys: IPsecMBPointers) {
      sealing.add(work, keys: keys)
      if sealing.isFull { flush() }
    }

    /// Completes every packet queued.
    mutating func flush() {
      guard let managers else { return }
      sealing.seal(managers)
      sealing.removeAll()
    }

    /// Announces one AES-CM packet to open, beyond the first 64 in vain.
    mutating func announce(_ work: PacketWork, keys: IPsecMBPointers) {
      if !announced.isFull { announced.add(received: work, keys: keys) }
    }

    /// Computes what can be computed of the packets announced, together.
    mutating func beginAnnounced() {
      if let managers { announced.computeTags(managers) }
    }

    mutating func forgetAnnounced() {
      announced.removeAll()
      nextAnnounced = 0
    }

    /// Checks the tag behind an AES-CM packet and decrypts the payload. False if the tag is wrong.
    mutating func open(_ work: PacketWork, keys: IPsecMBPointers) -> Bool {
      guard let managers else { return false }
      if let i = announced.find(work, keys: keys, from: nextAnnounced) {
        nextAnnounced = i &+ 1
        return announced.open(i, managers)
      }
      single.removeAll()
      single.add(received: work, keys: keys)
      single.computeTags(managers)
      return single.open(0, managers)
    }
  }
#endif
