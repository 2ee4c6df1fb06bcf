import CFastPathABI
import CXDP
import Glibc

/// The AF_XDP sockets of all interfaces, by slot.
struct XSKTable: ~Copyable {
  /// Room for the first receive queue of every interface, and for further ones.
  static let capacity = Int(FP_MAX_INTERFACES.rawValue) + furtherQueues
  private static let furtherQueues = 128

  /// Those below `end` that are in use.
  let sockets: UnsafeMutablePointer<XSKSocket>
  private let used: UnsafeMutablePointer<Bool>
  private(set) var end = 0

  init() {
    sockets = .allocate(capacity: Self.capacity)
    used = .allocate(capacity: Self.capacity)
    used.initialize(repeating: false, count: Self.capacity)
  }

  deinit {
    sockets.deallocate()
    used.deallocate()
  }

  @inline(__always)
  func isUsed(_ slot: Int) -> Bool { used[slot] }

  var freeCount: Int { (0..<Self.capacity).count { !used[$0] } }

  /// A slot for one more socket. Throws if there would be fewer than `reserved` left.
  func slot(sparing reserved: Int = 0) throws(LaneRefusal) -> Int {
    guard freeCount > reserved, let slot = (0..<Self.capacity).first(where: { !used[$0] }) else {
      throw LaneRefusal(reason: "more than \(Self.furtherQueues) receive queues besides each interface's first")
    }
    return slot
  }

  mutating func set(_ slot: Int, _ socket: XSKSocket) {
    (sockets + slot).initialize(to: socket)
    used[slot] = true
    end = max(end, slot + 1)
  }

  /// Closes the socket and takes back what it held.
  mutating func close(_ slot: Int, memory: inout PacketMemory) {
    guard used[slot] else { return }
    used[slot] = false
    sockets[slot].close()
    memory.reclaim(from: sockets[slot].owner)
    while end > 0, !used[end - 1] { end -= 1 }
  }

  var descriptors: [CInt] { (0..<end).filter { used[$0] }.map { sockets[$0].descriptor } }

  /// Sums over all sockets. What closed sockets counted is gone.
  func statistics() -> xdp_statistics {
    var sum = xdp_statistics()
    for slot in 0..<end where used[slot] {
      let one = sockets[slot].statistics()
      sum.rx_dropped &+= one.rx_dropped
      sum.rx_ring_full &+= one.rx_ring_full
      sum.rx_fill_ring_empty_descs &+= one.rx_fill_ring_empty_descs
      sum.tx_invalid_descs &+= one.tx_invalid_descs
    }
    return sum
  }
}
