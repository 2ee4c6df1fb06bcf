import Forwarding

/// Copies being made: each has a frame to be written to.
struct CopyBatch: ~Copyable {
  static let capacity = 256

  /// The first `count` are written; the rest have frames ready as far as there were any.
  let copies: UnsafeMutablePointer<PacketCopy>
  private(set) var count = 0
  private(set) var ready = 0

  init() { copies = .allocate(capacity: Self.capacity) }

  deinit { copies.deallocate() }

  /// Gives every place a frame, as far as there are free ones.
  @inline(__always)
  mutating func refill(from memory: inout PacketMemory) {
    while ready < Self.capacity, let offset = memory.take() {
      (copies + ready).initialize(
        to: PacketCopy(packet: memory.base + offset + PacketMemory.payloadOffset, capacity: PacketMemory.payloadCapacity))
      ready &+= 1
    }
  }

  /// Places to write to.
  @inline(__always)
  var rest: UnsafeMutableBufferPointer<PacketCopy> {
    UnsafeMutableBufferPointer(start: copies + count, count: ready &- count)
  }

  @inline(__always)
  mutating func add(_ written: Int) { count &+= written }

  /// Starts again; the frames stay.
  @inline(__always)
  mutating func reset() { count = 0 }

  /// Starts again; copies whose frames went away are those whose capacity is 0.
  @inline(__always)
  mutating func compact() {
    var kept = 0
    for i in 0..<ready where copies[i].capacity > 0 {
      if kept != i { copies[kept] = copies[i] }
      kept &+= 1
    }
    ready = kept
    count = 0
  }
}
