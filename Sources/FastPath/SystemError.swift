import Glibc
import Wire

enum SystemError {
  /// What the C library says of an error number.
  static func text(_ error: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    return buffer.withUnsafeMutableBufferPointer { memory in
      guard let base = memory.baseAddress, strerror_r(error, base, memory.count) == 0 else { return "unknown error" }
      return String(cString: base)
    }
  }

  /// Carries out a system call again while a signal interrupts it.
  @inline(__always)
  static func retrying(_ call: () -> Int) -> Int {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }
}

extension Instant {
  /// Now, on CLOCK_MONOTONIC.
  @inline(__always)
  static func current() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }
}
