import Forwarding

/// Copies being made: each has a frame to be written to.
struct CopyBatch: ~Copyable {
  /// Where some leave by frames: as many as are still in the cache when the kernel copies them, and enough for every lane
  /// of HMAC-SHA1.
  static let framesLimit = 64
  /// Where all leave by the UDP sockets: so many that several go to the same receiver, even of many, since those are sent
  /// as one message.
  static let capacity = 512

  /// How many are made before they are sent.
  var limit = capacity

  /// The first `count` are written; the rest have frames ready as far as there were any.
  let copies: UnsafeMutablePointer<PacketCopy>
  private(set) var count = 0
  private(set) var ready = 0

  init() { copies = .allocate(capacity: Self.capacity) }

  deinit { copies.deallocate() }

  /// Places to write to.
  @inline(__always)
  var rest: UnsafeMutableBufferPointer<PacketCopy> {
    UnsafeMutableBufferPointer(start: copies + count, count: max(0, min(ready, limit) &- count))
  }

  @inline(__always)
  mutating func add(_ written: Int) { count &+= written }

  /// The frame of copy `i` went to the kernel.
  @inline(__always)
  mutating func takeFrame(of i: Int) { copies[i].capacity = 0 }

  /// Starts again, with frames for every place as far as there are free ones.
  @inline(__always)
  mutating func restart(with memory: inout PacketMemory) {
    for i in 0..<count where copies[i].capacity == 0 {
      guard let offset = memory.take() else { return compact() }
      copies[i] = Self.place(memory.base, offset)
    }
    count = 0
    refill(from: &memory)
  }

  /// Gives further places frames.
  @inline(__always)
  mutating func refill(from memory: inout PacketMemory) {
    while ready < limit, let offset = memory.take() {
      (copies + ready).initialize(to: Self.place(memory.base, offset))
      ready &+= 1
    }
  }

  /// Starts again with the places that still have a frame.
  private mutating func compact() {
    var kept = 0
    for i in 0..<ready where copies[i].capacity > 0 {
      if kept != i { copies[kept] = copies[i] }
      kept &+= 1
    }
    ready = kept
    count = 0
  }

  @inline(__always)
  private static func place(_ base: UnsafeMutableRawPointer, _ offset: Int) -> PacketCopy {
    PacketCopy(packet: base + offset + PacketMemory.payloadOffset, capacity: PacketMemory.payloadCapacity)
  }
}
