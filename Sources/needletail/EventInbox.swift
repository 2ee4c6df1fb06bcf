import Forwarding
import NIOCore
import Synchronization

/// Carries the worker's events to the event loop: many deliveries, one wake-up, and so many at a time that the loop's
/// other work gets its turn.
final class EventInbox: Sendable {
  private struct State {
    var backlog = EventBacklog()
    /// Whether the event loop is going to drain.
    var isAwaited = false
  }

  private let eventLoop: any EventLoop
  private let state = Mutex(State())
  private let receiver: NIOLoopBoundBox<(([FastPathEvent]) -> Void)?>

  private static let slice = 256
  /// A task without delay would run before the loop looks at its connections again, however often it returns.
  private static let pause = TimeAmount.microseconds(50)

  init(eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
    receiver = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
  }

  /// Datagrams that came while there was no room for more. Any thread.
  var refusals: UInt64 { state.withLock { $0.backlog.refusals } }

  /// From now on events go to `receive`, on the event loop; call it there.
  func connect(_ receive: @escaping ([FastPathEvent]) -> Void) { receiver.value = receive }

  /// Any thread.
  func deliver(_ new: [FastPathEvent]) {
    let wasAwaited = state.withLock { state in
      defer { state.isAwaited = true }
      state.backlog.append(new)
      return state.isAwaited
    }
    if !wasAwaited { eventLoop.execute { self.drain() } }
  }

  /// On the event loop: what waits is not to wait for the next pass.
  func drainNow() {
    guard state.withLock({ !$0.backlog.isEmpty }) else { return }
    receiver.value?(state.withLock { $0.backlog.take(Self.slice) })
  }

  private func drain() {
    receiver.value?(state.withLock { $0.backlog.take(Self.slice) })
    let hasMore = state.withLock { state in
      state.isAwaited = !state.backlog.isEmpty
      return state.isAwaited
    }
    if hasMore { eventLoop.scheduleTask(in: Self.pause) { self.drain() } }
  }
}
