import Wire

/// How many may come of something: in the long run, and at once after a silence.
public struct Rate: Sendable {
  let interval: Interval
  let tolerance: Interval

  public init(perSecond rate: Int, burst: Int) {
    interval = Interval(nanoseconds: 1_000_000_000 / UInt64(max(1, rate)))
    tolerance = Interval(nanoseconds: interval.nanoseconds &* UInt64(max(1, burst) - 1))
  }
}

/// Holds something to a rate: a virtual clock, as in ATM's GCRA.
struct RateMeter {
  /// Until when what came has used up the rate.
  private(set) var busyUntil = Instant.zero

  /// Whether one more is within the rate; counts it if so.
  mutating func admits(_ rate: Rate, now: Instant) -> Bool {
    guard busyUntil.since(now) <= rate.tolerance else { return false }
    busyUntil = max(busyUntil, now).advanced(by: rate.interval)
    return true
  }
}

/// A meter per remote address, in a table of fixed size: of those that share a row, the one that has been quiet longest
/// makes room for a new one.
///
/// An IPv6 host counts as its /64, since it has all of it.
struct AddressMeters: ~Copyable {
  private struct Entry {
    /// Stands for the address: two that fall together share a meter, and nobody can choose to.
    var key: UInt64 = 0
    var meter = RateMeter()
  }

  private static let rows = 1024
  private static let rowLength = 4
  private let entries: UnsafeMutablePointer<Entry>
  private let secret = UInt64.random(in: 0 ... .max)

  init() {
    entries = .allocate(capacity: Self.rows * Self.rowLength)
    entries.initialize(repeating: Entry(), count: Self.rows * Self.rowLength)
  }

  deinit { entries.deallocate() }

  mutating func admits(_ address: IPAddress, _ rate: Rate, now: Instant) -> Bool {
    let network = address.network
    // Twice: folded once, the last bits would follow from the address.
    let key = network.folded(into: network.folded(into: 0, secret), secret)
    let row = entries + Int(truncatingIfNeeded: key % UInt64(Self.rows)) * Self.rowLength
    var quietest = row
    for entry in row..<row + Self.rowLength {
      if entry.pointee.key == key { return entry.pointee.meter.admits(rate, now: now) }
      if entry.pointee.meter.busyUntil < quietest.pointee.meter.busyUntil { quietest = entry }
    }
    quietest.pointee = Entry(key: key)
    return quietest.pointee.meter.admits(rate, now: now)
  }
}

extension IPAddress {
  fileprivate var network: IPAddress { if case .v6(let high, _) = self { .v6(high, 0) } else { self } }
}
