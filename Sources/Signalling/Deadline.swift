import NIOCore

/// The end of the time in which a client has to do something. If the event loop was away when it passed (a process that was
/// stopped, a machine that was suspended), what the client did meanwhile is read before anybody is judged.
final class Deadline {
  private var scheduled: Scheduled<Void>?

  /// So late a task of the loop is only if that was away.
  private static let late = TimeAmount.seconds(1)
  private static let grace = TimeAmount.seconds(2)

  var isSet: Bool { scheduled != nil }

  /// In place of what was set before.
  func set(in time: TimeAmount, on loop: any EventLoop, _ passed: @escaping () -> Void) {
    cancel()
    let due = NIODeadline.now() + time
    scheduled = loop.assumeIsolated().scheduleTask(deadline: due) { [weak self] in
      guard let self else { return }
      if NIODeadline.now() - due > Self.late { return set(in: Self.grace, on: loop, passed) }
      scheduled = nil
      passed()
    }
  }

  func cancel() {
    scheduled?.cancel()
    scheduled = nil
  }
}
