import Foundation
import Glibc

/// Processor time and memory of processes, from /proc.
enum ProcessorTime {
  /// Nanoseconds that all threads of `pid` and the `kernelThreads` have run.
  static func nanoseconds(of pid: pid_t, kernelThreads: [pid_t]) -> UInt64 {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
    return threads.reduce(0) { $0 + ran("/proc/\(pid)/task/\($1)/schedstat") }
      + kernelThreads.reduce(0) { $0 + ran("/proc/\($1)/schedstat") }
  }

  /// Resident memory in bytes; 0 if there is no such process.
  static func residentBytes(of pid: pid_t) -> Int {
    let line = textFile("/proc/\(pid)/status")?.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }

  private static func ran(_ path: String) -> UInt64 {
    textFile(path)?.split(separator: " ").first.flatMap { UInt64($0) } ?? 0
  }
}

/// Keeps idle processors from sleeping deeply, which would add 8 to 60 µs to each wake-up in a virtual machine: holds
/// /dev/cpu_dma_latency at 0 as long as it lives.
struct WakeupLatencyHold: ~Copyable {
  private let descriptor: CInt
  var isHeld: Bool { descriptor >= 0 }

  init() {
    descriptor = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC)
    var zero: Int32 = 0
    if descriptor >= 0 { _ = write(descriptor, &zero, 4) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
