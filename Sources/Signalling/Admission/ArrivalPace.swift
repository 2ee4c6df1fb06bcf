import NIOCore

/// How fast connections are taken up: each costs the event loop up to a millisecond, a TLS handshake above all, and each
/// client can begin as many as it likes. Those that come too fast wait their turn (the generic cell rate algorithm: one
/// moment for each network says all). Of a few connections of a network only its own count, so that whoever comes fast
/// from many addresses does not hold up those who do not.
package struct ArrivalPace {
  /// So many at once, and so many per second in the long run.
  package struct Rate {
    let interval: TimeAmount
    let tolerance: TimeAmount

    package init(burst: Int, perSecond: Int) {
      interval = .nanoseconds(1_000_000_000 / Int64(max(1, perSecond)))
      tolerance = interval * burst
    }
  }

  private let each: Rate
  private let all: Rate
  /// When each network's next connection would come, did they come evenly; and that of all networks.
  private var due: [ClientNetwork: NIODeadline] = [:]
  private var dueOfAll = NIODeadline.uptimeNanoseconds(0)

  /// Beyond it a connection is turned away.
  private static let longestWait = TimeAmount.seconds(5)
  /// For what others of the network did before.
  private static let longestPenalty = TimeAmount.seconds(2)
  private static let maximumNetworks = 8192
  /// So many of a network do not wait for those of others.
  private static let few = 8

  /// Of one network, and of all together.
  package init(each: Rate, all: Rate) {
    self.each = each
    self.all = all
  }

  /// A connection came: how long it has to wait, nil if that is too long.
  package mutating func wait(_ network: ClientNetwork?, now: NIODeadline) -> TimeAmount? {
    guard let network else { return .zero }
    makeRoom(now)
    let next = max(due[network] ?? now, now) + each.interval
    let nextOfAll = max(dueOfAll, now) + all.interval
    let isOneOfFew = next - now <= each.interval * Self.few
    let wait = max(
      .zero, next - now - each.tolerance, isOneOfFew ? .zero : nextOfAll - now - all.tolerance)
    guard wait <= Self.longestWait else { return nil }
    due[network] = next
    dueOfAll = min(nextOfAll, now + all.tolerance + Self.longestWait)
    return wait
  }

  /// A connection of `network` has gone whose work would have taken so long to pay: those after it wait as if it had been
  /// some more of them, and are not turned away for that alone.
  package mutating func charge(_ debt: TimeAmount, to network: ClientNetwork?, now: NIODeadline) {
    guard let network, debt > .zero else { return }
    makeRoom(now)
    due[network] = min(max(due[network] ?? now, now) + debt, now + each.tolerance + Self.longestPenalty)
  }

  /// Who could come at once anyway needs no entry.
  private mutating func makeRoom(_ now: NIODeadline) {
    guard due.count >= Self.maximumNetworks else { return }
    due = due.filter { $0.value > now }
    // So many hosts at once have no need to come fast each.
    if due.count >= Self.maximumNetworks { due = [:] }
  }
}
