/// A moment on the monotonic clock, in nanoseconds since an arbitrary origin. Layers 0 to 3 receive it as an argument and
/// never read a clock, so that a test decides what time it is.
public struct Instant: Hashable, Comparable, Sendable {
  public var nanoseconds: UInt64

  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  public static let zero = Instant(nanoseconds: 0)

  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// Later by `nanoseconds`; saturates at the end of time.
  public func advanced(by interval: Interval) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(interval.nanoseconds)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  /// The time from `earlier` to this moment; zero if `earlier` is later.
  public func since(_ earlier: Instant) -> Interval {
    Interval(nanoseconds: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0)
  }
}

/// A non-negative length of time in nanoseconds.
public struct Interval: Hashable, Comparable, Sendable {
  public var nanoseconds: UInt64

  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  public static let zero = Interval(nanoseconds: 0)
  public static func milliseconds(_ n: UInt64) -> Interval { Interval(nanoseconds: n &* 1_000_000) }
  public static func seconds(_ n: UInt64) -> Interval { Interval(nanoseconds: n &* 1_000_000_000) }

  public var seconds: Double { Double(nanoseconds) / 1e9 }
  public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
}
