import Forwarding
import Synchronization
import Wire

/// What the worker last published, for whoever asks on another thread.
final class PublishedStatistics: Sendable {
  private let snapshot = Mutex(FastPathStatistics(at: .zero))
  private let unsentControl = Atomic<UInt64>(0)

  /// Control datagrams that could not be sent. Counted on any thread.
  var unsentControlDatagrams: UInt64 { unsentControl.load(ordering: .relaxed) }

  func countUnsentControl() { unsentControl.add(1, ordering: .relaxed) }

  func latest() -> FastPathStatistics { snapshot.withLock { $0 } }

  func publish(_ statistics: FastPathStatistics) { snapshot.withLock { $0 = statistics } }
}
