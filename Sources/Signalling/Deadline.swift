import NIOCore

/// The end of the time in which a client has to do something. After the event loop was away (a process that was stopped, a
/// machine that was suspended) it is put off until what the client did meanwhile has been read.
final class Deadline {
  private let judges: () -> Bool
  private var scheduled: Scheduled<Void>?

  private static let grace = TimeAmount.seconds(1)

  /// `judges`: whether what did not come in time is late.
  init(judges: @escaping () -> Bool) { self.judges = judges }

  var isSet: Bool { scheduled != nil }

  /// In place of what was set before.
  func set(in time: TimeAmount, on loop: any EventLoop, _ passed: @escaping () -> Void) {
    cancel()
    scheduled = loop.assumeIsolated().scheduleTask(in: time) { [weak self] in
      guard let self else { return }
      guard judges() else { return set(in: Self.grace, on: loop, passed) }
      scheduled = nil
      passed()
    }
  }

  func cancel() {
    scheduled?.cancel()
    scheduled = nil
  }
}
