import Wire

/// An interface without xsk lane. It is tried again when its link has changed, and else at ever longer intervals: many
/// drivers restart the link when a program comes or goes.
struct RefusedInterface {
  let link: Link
  let refusal: LaneRefusal
  private let pause: Interval
  private let retryDue: Instant

  private static let shortestPause = Interval.seconds(5)
  private static let longestPause = Interval.seconds(120)

  var reason: String { refusal.reason }

  init(_ link: Link, _ refusal: LaneRefusal, after last: RefusedInterface?, now: Instant) {
    self.link = link
    self.refusal = refusal
    if let last, last.link == link {
      pause = min(Interval(nanoseconds: last.pause.nanoseconds * 2), Self.longestPause)
    } else {
      pause = Self.shortestPause
    }
    retryDue = now.advanced(by: pause)
  }

  func isDue(_ link: Link, now: Instant) -> Bool { self.link != link || now >= retryDue }
}
