import Forwarding
import Wire

/// Collects `ForwardingTimes` without allocating.
struct TimeHistogram: ~Copyable {
  private let bounds: UnsafeMutableBufferPointer<UInt64>
  private let counts: UnsafeMutableBufferPointer<UInt64>
  private var sum: UInt64 = 0

  init() {
    bounds = .allocate(capacity: ForwardingTimes.bounds.count)
    _ = bounds.initialize(from: ForwardingTimes.bounds)
    counts = .allocate(capacity: bounds.count + 1)
    counts.initialize(repeating: 0)
  }

  deinit {
    bounds.deallocate()
    counts.deallocate()
  }

  /// `count` packets took `time` each.
  @inline(__always)
  mutating func add(_ time: Interval, count: Int) {
    var i = 0
    while i < bounds.count, time.nanoseconds > bounds[i] { i &+= 1 }
    counts[i] &+= UInt64(truncatingIfNeeded: count)
    sum &+= time.nanoseconds &* UInt64(truncatingIfNeeded: count)
  }

  var value: ForwardingTimes {
    var times = ForwardingTimes()
    times.counts = Array(counts)
    times.sumNanoseconds = sum
    return times
  }
}
