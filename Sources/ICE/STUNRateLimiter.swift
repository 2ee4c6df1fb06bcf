import Wire

/// Admits a bounded rate of STUN requests per source address: a token bucket each, in a table of bounded size. When it
/// is full the address that was entered first is forgotten, and begins anew if it comes again.
///
/// IPv6 sources count by /64, since one host has all of it.
public struct STUNRateLimiter: Sendable {
  private let interval: Interval
  private let tolerance: Interval
  private let capacity: Int
  /// For each source the moment until which its past requests have used up the rate.
  private var busyUntil: [Source: Instant] = [:]
  /// The table's sources, a ring: the oldest at `oldest` once it is full.
  private var sources: [Source] = []
  private var oldest = 0

  private typealias Source = IPAddress

  /// - Parameters:
  ///   - rate: requests per second that a source may send in the long run. The default leaves room for hundreds of
  ///     clients behind one NAT; answering one request takes less than 10 µs.
  ///   - burst: requests that a source may send at once after a silence.
  ///   - capacity: sources remembered.
  public init(rate: Int = 500, burst: Int = 1000, capacity: Int = 4096) {
    interval = Interval(nanoseconds: 1_000_000_000 / UInt64(max(1, rate)))
    tolerance = Interval(nanoseconds: interval.nanoseconds &* UInt64(max(1, burst) - 1))
    self.capacity = max(1, capacity)
  }

  /// Sources remembered now.
  public var count: Int { busyUntil.count }

  /// Whether a request from `ip` is within its rate; counts it if so.
  public mutating func admit(_ ip: IPAddress, now: Instant) -> Bool {
    let source = Self.source(of: ip)
    guard let until = busyUntil[source] else {
      enter(source)
      busyUntil[source] = now.advanced(by: interval)
      return true
    }
    guard until.since(now) <= tolerance else { return false }
    busyUntil[source] = max(until, now).advanced(by: interval)
    return true
  }

  private mutating func enter(_ source: Source) {
    if sources.count < capacity {
      sources.append(source)
    } else {
      busyUntil[sources[oldest]] = nil
      sources[oldest] = source
      oldest = (oldest + 1) % capacity
    }
  }

  private static func source(of ip: IPAddress) -> Source {
    if case .v6(let high, _) = ip { .v6(high, 0) } else { ip }
  }
}
