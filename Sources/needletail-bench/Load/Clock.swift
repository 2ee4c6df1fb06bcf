import Glibc
import Wire

/// The two clocks of the load client.
enum Clock {
  /// For pacing and timers.
  static var now: Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }
  /// Nanoseconds since 1970: what the kernel stamps received packets with.
  static var realtime: UInt64 { read(CLOCK_REALTIME) }

  static func sleep(_ interval: Interval) {
    var time = timespec(
      tv_sec: Int(clamping: interval.nanoseconds / 1_000_000_000),
      tv_nsec: Int(clamping: interval.nanoseconds % 1_000_000_000))
    nanosleep(&time, nil)
  }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
  }
}
