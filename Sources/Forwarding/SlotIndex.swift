import Wire

/// Finds slots by 64-bit keys: open addressing with linear probing, no allocation to look up. Peers influence the keys
/// (ports, SSRCs), so that where a key lands depends on a secret number.
struct SlotIndex: ~Copyable {
  private struct Entry {
    var key: UInt64
    var slot: Int32
  }

  private var entries: UnsafeMutablePointer<Entry>
  private var mask: Int
  private var count = 0
  private let secret: UInt64
  private static let empty: Int32 = -1

  init(secret: UInt64 = .random(in: 0 ... .max)) {
    self.secret = secret
    mask = 63
    entries = Self.allocate(64)
  }

  deinit { entries.deallocate() }

  /// The slot under `key`; nil if there is none.
  @inline(__always)
  func find(_ key: UInt64) -> Int? {
    var position = home(key)
    while entries[position].slot != Self.empty {
      if entries[position].key == key { return Int(entries[position].slot) }
      position = (position &+ 1) & mask
    }
    return nil
  }

  /// Puts `slot` under `key`, in place of what was there.
  mutating func set(_ key: UInt64, _ slot: Int) {
    if count * 2 > mask { grow() }
    var position = home(key)
    while entries[position].slot != Self.empty, entries[position].key != key { position = (position &+ 1) & mask }
    if entries[position].slot == Self.empty { count += 1 }
    entries[position] = Entry(key: key, slot: Int32(truncatingIfNeeded: slot))
  }

  mutating func remove(_ key: UInt64) {
    var hole = home(key)
    while entries[hole].key != key || entries[hole].slot == Self.empty {
      guard entries[hole].slot != Self.empty else { return }
      hole = (hole &+ 1) & mask
    }
    count -= 1
    // Entries behind the hole move up if it lies between them and their home.
    var next = (hole &+ 1) & mask
    while entries[next].slot != Self.empty {
      let distance = (next &- home(entries[next].key)) & mask
      if distance >= (next &- hole) & mask {
        entries[hole] = entries[next]
        hole = next
      }
      next = (next &+ 1) & mask
    }
    entries[hole].slot = Self.empty
  }

  @inline(__always)
  private func home(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: mix(key, secret) & UInt64(truncatingIfNeeded: mask))
  }

  private mutating func grow() {
    let old = entries
    let oldCount = mask + 1
    mask = mask * 2 + 1
    entries = Self.allocate(mask + 1)
    count = 0
    for i in 0..<oldCount where old[i].slot != Self.empty { set(old[i].key, Int(old[i].slot)) }
    old.deallocate()
  }

  private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
    let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
    entries.initialize(repeating: Entry(key: 0, slot: empty), count: capacity)
    return entries
  }
}

/// Folds the 128-bit product with a secret odd number, so that every bit of `value` moves every bit of the result.
@inline(__always)
private func mix(_ value: UInt64, _ secret: UInt64) -> UInt64 {
  let product = (value ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: secret | 1)
  return product.high ^ product.low
}

extension FiveTuple {
  /// 64 bits that stand for the tuple in a `SlotIndex`; who looks up must still compare the tuple itself.
  @inline(__always)
  func key(secret: UInt64) -> UInt64 {
    let ports = UInt64(local.port) << 16 | UInt64(remote.port)
    return mix(local.ip.folded(into: remote.ip.folded(into: ports, secret), secret &+ 2), secret)
  }
}

extension IPAddress {
  @inline(__always)
  func folded(into hash: UInt64, _ secret: UInt64) -> UInt64 {
    switch self {
    case .v4(let address): mix(hash, secret) ^ UInt64(address)
    case .v6(let high, let low): mix(mix(hash, secret) ^ high, secret) ^ low
    }
  }
}
