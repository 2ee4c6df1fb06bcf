import Wire

/// A 64-bit NTP timestamp: seconds since 1900 in the upper, their fraction in the lower 32 bits (RFC 3550 section 4).
public struct NTPTime: Hashable, Sendable {
  public var rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Wall-clock time, in nanoseconds since 1970; wraps with NTP era 0 in 2036.
  public init(unixNanoseconds: UInt64) {
    self.init(nanoseconds: unixNanoseconds, epochOffset: 2_208_988_800)
  }

  /// Monotonic time, which RFC 3550 section 6.4.1 allows a sender without wall clock.
  public init(_ instant: Instant) { self.init(nanoseconds: instant.nanoseconds, epochOffset: 0) }

  private init(nanoseconds: UInt64, epochOffset: UInt64) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    rawValue = (seconds &+ epochOffset) << 32 | (rest << 32) / 1_000_000_000
  }

  /// The middle 32 bits, in 1/65536 s: how report blocks name a sender report (LSR).
  public var compact: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 16) }
}

extension Interval {
  /// In 1/65536 s, rounded to nearest, saturating: how DLSR is expressed.
  public var compactNTP: UInt32 {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    guard seconds < 1 << 16 else { return .max }
    return UInt32(clamping: seconds << 16 + (rest << 16 + 500_000_000) / 1_000_000_000)
  }

  /// From 1/65536 s.
  public init(compactNTP units: UInt32) { self.init(nanoseconds: (UInt64(units) * 1_000_000_000) >> 16) }
}
