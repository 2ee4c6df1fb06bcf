import Wire

/// Packets to be sent again, in the order in which they were asked for. Bounded: when it is full the oldest make room, since
/// they have waited longest and are missed least.
struct RepairQueue: ~Copyable {
  struct Repair {
    /// The slot of the sink, and its name, lest another has taken the slot meanwhile.
    var slot: Int
    var sink: SinkID
    /// In the source's numbers, and in the sink's.
    var index: UInt64
    var sequence: UInt16
    var askedAt: Instant
  }

  static let capacity = 4096
  private let repairs: UnsafeMutablePointer<Repair>
  private var first = 0
  private(set) var count = 0

  init() { repairs = .allocate(capacity: Self.capacity) }

  deinit { repairs.deallocate() }

  @inline(__always)
  var isEmpty: Bool { count == 0 }

  /// False if another had to make room.
  mutating func push(_ repair: Repair) -> Bool {
    let hasRoom = count < Self.capacity
    if !hasRoom { _ = pop() }
    (repairs + (first &+ count) % Self.capacity).initialize(to: repair)
    count &+= 1
    return hasRoom
  }

  mutating func pop() -> Repair? {
    guard count > 0 else { return nil }
    defer {
      first = (first &+ 1) % Self.capacity
      count &-= 1
    }
    return repairs[first]
  }
}
