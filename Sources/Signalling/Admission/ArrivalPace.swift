import NIOCore

/// How fast connections of one network are taken up: a TLS handshake costs the event loop a third of a millisecond, and
/// each client can begin as many as it likes. Those that come too fast wait their turn (the generic cell rate algorithm:
/// one moment for each network says all).
package struct ArrivalPace {
  private let interval: TimeAmount
  private let tolerance: TimeAmount
  /// When each network's next connection would come, did they come evenly.
  private var due: [ClientNetwork: NIODeadline] = [:]

  /// Beyond it a connection is turned away.
  private static let longestWait = TimeAmount.seconds(5)
  private static let maximumNetworks = 8192

  /// Of one network: `burst` connections at once, `perSecond` in the long run.
  package init(burst: Int, perSecond: Int) {
    interval = .nanoseconds(1_000_000_000 / Int64(max(1, perSecond)))
    tolerance = interval * burst
  }

  /// A connection came: how long it has to wait, nil if that is too long.
  package mutating func wait(_ network: ClientNetwork?, now: NIODeadline) -> TimeAmount? {
    guard let network else { return .zero }
    makeRoom(now)
    let next = max(due[network] ?? now, now) + interval
    let wait = max(.zero, next - now - tolerance)
    guard wait <= Self.longestWait else { return nil }
    due[network] = next
    return wait
  }

  /// Who could come at once anyway needs no entry.
  private mutating func makeRoom(_ now: NIODeadline) {
    guard due.count >= Self.maximumNetworks else { return }
    due = due.filter { $0.value > now }
    // So many hosts at once have no need to come fast each.
    if due.count >= Self.maximumNetworks { due = [:] }
  }
}
