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

  /// Whether one more, or `count`, is within the rate; counts it if so.
  mutating func admits(_ rate: Rate, count: Int = 1, now: Instant) -> Bool {
    guard busyUntil.since(now) <= rate.tolerance else { return false }
    busyUntil = max(busyUntil, now).advanced(
      by: Interval(nanoseconds: rate.interval.nanoseconds &* UInt64(max(0, count))))
    return true
  }
}

/// Holds a source to its limit where no program in the kernel does.
struct SourceMeter {
  private let packetRate: Rate?
  private let byteRate: Rate?
  private var packets = RateMeter()
  private var bytes = RateMeter()

  init(_ limit: RateLimit) {
    packetRate = Self.rate(limit.packetsPerSecond)
    byteRate = Self.rate(limit.bytesPerSecond)
  }

  mutating func admits(bytes count: Int, now: Instant) -> Bool {
    if let packetRate, !packets.admits(packetRate, now: now) { return false }
    if let byteRate, !bytes.admits(byteRate, count: count, now: now) { return false }
    return true
  }

  /// A quarter of a second's worth may come at once.
  private static func rate(_ perSecond: UInt32) -> Rate? {
    perSecond == 0 ? nil : Rate(perSecond: Int(perSecond), burst: Int(perSecond) / 4)
  }
}
