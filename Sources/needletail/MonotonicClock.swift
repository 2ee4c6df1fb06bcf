import Glibc
import Wire

/// The clock whose moments the layers below are given. The fast path stamps its events with the same one.
enum MonotonicClock {
  static func now() -> Wire.Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Wire.Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }
}
