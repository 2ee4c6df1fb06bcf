import Glibc

/// The descriptors that the worker waits for.
struct WaitSet: ~Copyable {
  private var descriptors: UnsafeMutableBufferPointer<pollfd>

  init() { descriptors = .allocate(capacity: 0) }

  deinit { descriptors.deallocate() }

  var isEmpty: Bool { descriptors.isEmpty }

  /// Negative ones are not waited for.
  mutating func set(_ new: [CInt]) {
    descriptors.deallocate()
    descriptors = .allocate(capacity: new.count)
    _ = descriptors.initialize(from: new.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) })
  }

  /// Until one is readable, or the time is over.
  func wait(milliseconds: CInt) { _ = poll(descriptors.baseAddress, nfds_t(descriptors.count), milliseconds) }

  /// Whether the wait found descriptor `i` of those that were set readable (or broken).
  @inline(__always)
  func isReadable(_ i: Int) -> Bool { i < descriptors.count && descriptors[i].revents != 0 }
}
