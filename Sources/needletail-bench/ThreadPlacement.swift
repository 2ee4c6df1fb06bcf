import CXDP
import Glibc

/// The calling thread on one processor, at the priority of the NAPI threads, which then do not interrupt it: else a
/// sender of bursts is held up by its own packets' arrival, and they come one by one.
struct ThreadPlacement {
  private var processors = cpu_set_t()

  /// `isUninterrupted`: with that priority.
  init(cpu: Int, isUninterrupted: Bool = true) {
    linux_pthread_getaffinity(pthread_self(), MemoryLayout<cpu_set_t>.size, &processors)
    var wanted = cpu_set_t()
    withUnsafeMutableBytes(of: &wanted) { if cpu / 8 < $0.count { $0[cpu / 8] |= 1 << (cpu % 8) } }
    place(on: wanted)
    if isUninterrupted { Self.raisePriority(of: 0) }
  }

  /// Real-time priority, the same for all that take part: nobody interrupts anybody. 0 is the calling thread.
  static func raisePriority(of thread: pid_t) {
    var parameters = sched_param(sched_priority: 1)
    sched_setscheduler(thread, SCHED_FIFO, &parameters)
  }

  /// Back to where the thread was.
  func restore() {
    var parameters = sched_param(sched_priority: 0)
    sched_setscheduler(0, SCHED_OTHER, &parameters)
    place(on: processors)
  }

  private func place(on processors: cpu_set_t) {
    var processors = processors
    linux_pthread_setaffinity(pthread_self(), MemoryLayout<cpu_set_t>.size, &processors)
  }
}
