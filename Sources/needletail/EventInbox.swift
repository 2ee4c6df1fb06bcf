import Forwarding
import NIOCore
import Synchronization

/// Carries the worker's events to the event loop: many deliveries, one wake-up.
final class EventInbox: Sendable {
  private let eventLoop: any EventLoop
  private let events = Mutex<[FastPathEvent]>([])
  private let receiver: NIOLoopBoundBox<(([FastPathEvent]) -> Void)?>

  init(eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
    receiver = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
  }

  /// From now on events go to `receive`, on the event loop; call it there.
  func connect(_ receive: @escaping ([FastPathEvent]) -> Void) { receiver.value = receive }

  /// Any thread.
  func deliver(_ new: [FastPathEvent]) {
    let wasEmpty = events.withLock { events in
      defer { events += new }
      return events.isEmpty
    }
    if wasEmpty { eventLoop.execute { self.drain() } }
  }

  private func drain() {
    let taken = events.withLock { events in
      defer { events = [] }
      return events
    }
    receiver.value?(taken)
  }
}
