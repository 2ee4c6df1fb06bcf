import Wire

/// How much of a source a cache holds: packets, and octets of them. Both are powers of two.
struct CacheSize: Equatable {
  let entries: Int
  let octets: Int

  /// By what a source sends, so that each holds a second or more of it: below 400 kbit/s, 1.6 Mbit/s, 6.7 Mbit/s, and above.
  static let classes = [
    CacheSize(entries: 256, octets: 64 << 10), CacheSize(entries: 512, octets: 256 << 10),
    CacheSize(entries: 1024, octets: 1 << 20), CacheSize(entries: 2048, octets: 2 << 20),
  ]

  /// What it takes of memory.
  var memory: Int { octets + entries * MemoryLayout<CachedPacket>.stride }

  /// The smallest class that holds a second and a quarter of so much a second.
  static func fitting(packets: Int, octets: Int) -> Int {
    let (packets, octets) = (packets + packets / 4, octets + octets / 4)
    return classes.firstIndex { $0.entries >= packets && $0.octets >= octets } ?? classes.count - 1
  }
}

/// Where a packet lies in a cache.
struct CachedPacket {
  var index: UInt64
  var at: Instant
  /// Octets written before it, those left out at the ring's end included.
  var position: UInt64
  var length: Int
}

/// The latest packets of one source, whole and in clear: a ring of octets, and a ring of where each packet lies in it, by its
/// index. Keeping one allocates nothing.
struct PacketCache: ~Copyable {
  /// The place in `CacheSize.classes`; nil: nothing is kept.
  private(set) var sizeClass: Int?
  private var size = CacheSize(entries: 1, octets: 0)
  private var entries: UnsafeMutablePointer<CachedPacket>?
  private var octets: UnsafeMutableRawPointer?
  /// Octets ever written, as `CachedPacket.position` counts them.
  private var end: UInt64 = 0
  private var highest: UInt64 = 0
  /// Ever kept, for what a source sends in a second.
  private(set) var packets: UInt64 = 0
  private(set) var bytes: UInt64 = 0

  private static let none = UInt64.max

  deinit { release() }

  @inline(__always)
  var isKeeping: Bool { octets != nil }

  var memory: Int { sizeClass == nil ? 0 : size.memory }

  /// Keeps a packet, in place of the oldest. One that is as far behind the newest as the ring is long is not kept.
  @inline(__always)
  mutating func keep(_ packet: UnsafeRawBufferPointer, index: UInt64, now: Instant) {
    packets &+= 1
    bytes &+= UInt64(truncatingIfNeeded: packet.count)
    insert(packet, index: index, at: now)
  }

  private mutating func insert(_ packet: UnsafeRawBufferPointer, index: UInt64, at: Instant) {
    guard let octets, let entries, let base = packet.baseAddress, packet.count <= size.octets else { return }
    guard index >= highest || highest &- index < UInt64(size.entries) else { return }
    var offset = Int(truncatingIfNeeded: end) & (size.octets &- 1)
    if offset &+ packet.count > size.octets {
      end &+= UInt64(truncatingIfNeeded: size.octets &- offset)
      offset = 0
    }
    (octets + offset).copyMemory(from: base, byteCount: packet.count)
    entries[place(index)] = CachedPacket(index: index, at: at, position: end, length: packet.count)
    end &+= UInt64(truncatingIfNeeded: packet.count)
    highest = max(highest, index)
  }

  /// The packet with this index; nil if it is not kept, or not any more.
  func find(_ index: UInt64) -> CachedPacket? {
    guard let entries else { return nil }
    let entry = entries[place(index)]
    guard entry.index == index, end &- entry.position <= UInt64(size.octets) else { return nil }
    return entry
  }

  /// Good until the next packet is kept.
  func bytes(of packet: CachedPacket) -> UnsafeMutableRawBufferPointer {
    let offset = Int(truncatingIfNeeded: packet.position) & (size.octets &- 1)
    return UnsafeMutableRawBufferPointer(start: octets.map { $0 + offset }, count: packet.length)
  }

  /// Takes another size, and as much of what it holds as fits; nil: forgets all.
  mutating func resize(to new: Int?) {
    guard new != sizeClass else { return }
    var old = PacketCache()
    swap(&self, &old)
    (packets, bytes) = (old.packets, old.bytes)
    guard let new else { return }
    allocate(new)
    guard old.isKeeping, old.end > 0 else { return }
    let oldest = old.highest &- min(old.highest, UInt64(min(old.size.entries, size.entries) &- 1))
    for index in oldest...old.highest {
      guard let packet = old.find(index) else { continue }
      insert(UnsafeRawBufferPointer(old.bytes(of: packet)), index: index, at: packet.at)
    }
  }

  private mutating func allocate(_ sizeClass: Int) {
    self.sizeClass = sizeClass
    size = CacheSize.classes[sizeClass]
    octets = .allocate(byteCount: size.octets, alignment: 64)
    let entries = UnsafeMutablePointer<CachedPacket>.allocate(capacity: size.entries)
    entries.initialize(
      repeating: CachedPacket(index: Self.none, at: .zero, position: 0, length: 0), count: size.entries)
    self.entries = entries
  }

  private func release() {
    octets?.deallocate()
    entries?.deallocate()
  }

  @inline(__always)
  private func place(_ index: UInt64) -> Int { Int(truncatingIfNeeded: index) & (size.entries &- 1) }
}
