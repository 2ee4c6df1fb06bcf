/// Densely numbered places for values that are looked up per packet: a slot is stable while its value lives, and is reused
/// afterwards. The values lie in one piece of memory and are never copied.
struct SlotPool<Element: ~Copyable>: ~Copyable {
  private var base: UnsafeMutablePointer<Element>
  private var capacity: Int
  private var occupied: [Bool] = []
  private var free: [Int] = []

  init(capacity: Int = 16) {
    self.capacity = capacity
    base = .allocate(capacity: capacity)
  }

  deinit {
    for slot in occupied.indices where occupied[slot] { (base + slot).deinitialize(count: 1) }
    base.deallocate()
  }

  var count: Int { occupied.count - free.count }
  var slots: [Int] { occupied.indices.filter { occupied[$0] } }

  func contains(_ slot: Int) -> Bool { occupied.indices.contains(slot) && occupied[slot] }

  /// The value in an occupied slot. The pointer is good until the next `insert`.
  @inline(__always)
  subscript(slot: Int) -> UnsafeMutablePointer<Element> { base + slot }

  @inline(__always)
  subscript(slot: Int32) -> UnsafeMutablePointer<Element> { base + Int(slot) }

  mutating func insert(_ element: consuming Element) -> Int {
    if let slot = free.popLast() {
      (base + slot).initialize(to: element)
      occupied[slot] = true
      return slot
    }
    if occupied.count == capacity { grow() }
    let slot = occupied.count
    (base + slot).initialize(to: element)
    occupied.append(true)
    return slot
  }

  mutating func remove(_ slot: Int) {
    guard contains(slot) else { return }
    (base + slot).deinitialize(count: 1)
    occupied[slot] = false
    free.append(slot)
  }

  /// Only while every slot is occupied.
  private mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: base, count: capacity)
    base.deallocate()
    base = larger
    capacity *= 2
  }
}
