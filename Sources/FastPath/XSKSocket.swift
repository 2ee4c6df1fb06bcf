import CXDP
import Glibc

/// One AF_XDP socket, on one receive queue of one interface. Its memory is the whole packet memory (`XSKMemory`).
///
/// A plain value of pointers: whoever opens it must call `close` once, and use no copy afterwards.
struct XSKSocket {
  let descriptor: CInt
  let isZeroCopy: Bool
  /// By which `PacketMemory` knows the frames that the kernel holds for this socket.
  let owner: UInt8
  let rx: UnsafeMutablePointer<xsk_ring_cons>
  let tx: UnsafeMutablePointer<xsk_ring_prod>
  private let fill: UnsafeMutablePointer<xsk_ring_prod>
  private let completion: UnsafeMutablePointer<xsk_ring_cons>
  private let socket: OpaquePointer
  /// Descriptors written and not submitted yet.
  private var prepared: UInt32 = 0

  static let ringSize: UInt32 = 2048
  /// In copy mode the kernel sends from the socket's buffer, one packet each.
  private static let sendBuffer: CInt = 64 << 20
  /// XDP_MAX_TX_SKB_BUDGET (Linux 6.18): how many packets one call sends in copy mode.
  private static let maximumSendBudget: CInt = 9

  // MARK: Opening and closing

  init(_ rings: Rings, _ socket: OpaquePointer, isZeroCopy: Bool, owner: UInt8) {
    (rx, tx, fill, completion) = (rings.rx, rings.tx, rings.fill, rings.completion)
    self.socket = socket
    self.isZeroCopy = isZeroCopy
    self.owner = owner
    descriptor = xsk_socket__fd(socket)
    var size = Self.sendBuffer
    if setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, 4) != 0 {
      setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, 4)
    }
    // Older kernels refuse, and stay at 32.
    var budget = CInt(Self.ringSize)
    setsockopt(descriptor, CInt(LINUX_SOL_XDP.rawValue), Self.maximumSendBudget, &budget, 4)
  }

  func close() {
    xsk_socket__delete(socket)
    Rings(rx: rx, tx: tx, fill: fill, completion: completion).deallocate()
  }

  struct Rings {
    let rx: UnsafeMutablePointer<xsk_ring_cons>
    let tx: UnsafeMutablePointer<xsk_ring_prod>
    let fill: UnsafeMutablePointer<xsk_ring_prod>
    let completion: UnsafeMutablePointer<xsk_ring_cons>

    static func allocate() -> Rings {
      let rings = Rings(
        rx: .allocate(capacity: 1), tx: .allocate(capacity: 1), fill: .allocate(capacity: 1),
        completion: .allocate(capacity: 1))
      rings.rx.initialize(to: xsk_ring_cons())
      rings.tx.initialize(to: xsk_ring_prod())
      rings.fill.initialize(to: xsk_ring_prod())
      rings.completion.initialize(to: xsk_ring_cons())
      return rings
    }

    func deallocate() {
      rx.deallocate()
      tx.deallocate()
      fill.deallocate()
      completion.deallocate()
    }
  }

  // MARK: Receiving

  /// Lends frames for packets to come: `count`, or as many as there are. Returns how many.
  func lendForReceiving(_ count: Int, from memory: inout PacketMemory) -> Int {
    var lent = 0
    while lent < count, let offset = memory.take() {
      guard lend(offset, from: &memory) else {
        memory.give(offset)
        break
      }
      lent += 1
    }
    xsk_ring_prod__submit(fill, UInt32(lent))
    return lent
  }

  /// False if the ring is full. `submitLent` makes it known.
  @inline(__always)
  func lend(_ offset: Int, from memory: inout PacketMemory) -> Bool {
    var position: UInt32 = 0
    guard xsk_ring_prod__reserve(fill, 1, &position) == 1, let entry = xsk_ring_prod__fill_addr(fill, position) else {
      return false
    }
    let frame = offset & ~(PacketMemory.frameSize &- 1)
    entry.pointee = UInt64(truncatingIfNeeded: frame)
    memory.lend(frame, to: owner)
    return true
  }

  @inline(__always)
  func submitLent(_ count: Int) { xsk_ring_prod__submit(fill, UInt32(truncatingIfNeeded: count)) }

  /// Up to `count` packets received, from ring position `first`.
  @inline(__always)
  func peek(_ count: Int) -> (first: UInt32, count: Int) {
    var first: UInt32 = 0
    let found = xsk_ring_cons__peek(rx, UInt32(truncatingIfNeeded: count), &first)
    return (first, Int(found))
  }

  /// The packet at a ring position: its offset in the packet memory and its length.
  @inline(__always)
  func received(_ position: UInt32) -> (offset: Int, length: Int)? {
    guard let descriptor = xsk_ring_cons__rx_desc(rx, position) else { return nil }
    return (Int(truncatingIfNeeded: descriptor.pointee.addr), Int(descriptor.pointee.len))
  }

  /// Has the last `count` packets that were peeked at peeked at again.
  @inline(__always)
  func putBack(_ count: Int) { xsk_ring_cons__cancel(rx, UInt32(truncatingIfNeeded: count)) }

  @inline(__always)
  func release(_ count: Int) { xsk_ring_cons__release(rx, UInt32(truncatingIfNeeded: count)) }

  // MARK: Sending

  /// Places a frame into the ring; false if that is full. `submit` makes it known.
  @inline(__always)
  mutating func prepare(_ offset: Int, length: Int) -> Bool {
    var position: UInt32 = 0
    guard xsk_ring_prod__reserve(tx, 1, &position) == 1, let descriptor = xsk_ring_prod__tx_desc(tx, position) else {
      return false
    }
    descriptor.pointee.addr = UInt64(truncatingIfNeeded: offset)
    descriptor.pointee.len = UInt32(truncatingIfNeeded: length)
    descriptor.pointee.options = 0
    prepared &+= 1
    return true
  }

  /// Whether one more can be prepared.
  @inline(__always)
  var hasRoom: Bool { xsk_prod_nb_free(tx, 1) > 0 }

  /// Makes what was prepared known to the kernel and has it sent, as far as it goes without waiting.
  @inline(__always)
  mutating func submit() {
    guard prepared > 0 || hasUnsent else { return }
    xsk_ring_prod__submit(tx, prepared)
    prepared = 0
    kick()
  }

  /// Whether the kernel has not taken everything yet.
  @inline(__always)
  var hasUnsent: Bool { tx.pointee.producer.pointee != tx.pointee.consumer.pointee }

  /// In copy mode each call sends some 32 packets, or all; a full driver or buffer ends it, and the next turn goes on.
  private func kick() {
    guard xsk_ring_prod__needs_wakeup(tx) != 0 else { return }
    var attempts = isZeroCopy ? 1 : Int(Self.ringSize) / 32 + 4
    var refusals = 0
    while attempts > 0, hasUnsent {
      attempts -= 1
      let result = sendto(descriptor, nil, 0, CInt(MSG_DONTWAIT), nil, 0)
      if result >= 0 || errno == EAGAIN || errno == EINTR { continue }
      refusals += 1
      if errno != EBUSY || refusals > 3 { return }
    }
  }

  /// Takes back the frames that were sent.
  @inline(__always)
  func reclaim(into memory: inout PacketMemory) {
    var first: UInt32 = 0
    let count = xsk_ring_cons__peek(completion, Self.ringSize, &first)
    guard count > 0 else { return }
    for i in 0..<count {
      if let address = xsk_ring_cons__comp_addr(completion, first &+ i) {
        memory.give(Int(truncatingIfNeeded: address.pointee))
      }
    }
    xsk_ring_cons__release(completion, count)
  }

  /// What the kernel could not do with this socket.
  func statistics() -> xdp_statistics {
    var statistics = xdp_statistics()
    var length = socklen_t(MemoryLayout<xdp_statistics>.size)
    getsockopt(descriptor, CInt(LINUX_SOL_XDP.rawValue), XDP_STATISTICS, &statistics, &length)
    return statistics
  }
}
