/// How many connections there may be, in all and of one network. Beyond that some more may come for a moment, only to
/// say that they come back to a call (`join` with `resume`), which their first octets do not tell: so nobody who holds
/// such a secret is locked out by whoever takes all the others.
package struct ConnectionShares {
  package enum Verdict: Equatable {
    case admitted
    /// Everything but a `join` that resumes is refused.
    case onlyToResume(ConnectionRefusal)
    /// Not even a TLS handshake is worth it.
    case turnedAway(ConnectionRefusal)
  }

  private struct Share {
    var open = 0
    var unproven = 0
  }

  private let limit: Int
  private let share: Int
  private var open = 0
  private var unproven = 0
  private var shares: [ClientNetwork: Share] = [:]

  /// Of one network, that may be about to resume at once.
  private static let unprovenOfOne = 8

  /// `limit`: connections in all; `share`: those of one network.
  package init(limit: Int, share: Int) {
    self.limit = limit
    self.share = share
  }

  /// How many more than `limit` there are at most.
  package static func reserve(for limit: Int) -> Int { max(64, limit / 16) }

  /// A connection came. Whoever is not turned away counts until `closed`.
  package mutating func opened(_ network: ClientNetwork?) -> Verdict {
    let verdict = verdict(network)
    switch verdict {
    case .admitted: count(network, open: 1, unproven: 0)
    case .onlyToResume: count(network, open: 1, unproven: 1)
    case .turnedAway: break
    }
    return verdict
  }

  /// A connection that was `onlyToResume` has done so.
  package mutating func resumed(_ network: ClientNetwork?) { count(network, open: 0, unproven: -1) }

  package mutating func closed(_ network: ClientNetwork?, isUnproven: Bool) {
    count(network, open: -1, unproven: isUnproven ? -1 : 0)
  }

  /// Whether there are more than `limit`: some came back, though others had taken their places.
  package var isOverfull: Bool { open > limit }

  private func verdict(_ network: ClientNetwork?) -> Verdict {
    let own = network.flatMap { shares[$0] } ?? Share()
    let refusal: ConnectionRefusal
    if open >= limit {
      refusal = .limit
    } else if network != nil, own.open >= share {
      refusal = .share
    } else {
      return .admitted
    }
    let reserve = Self.reserve(for: limit)
    let hasRoom = open < limit + reserve && unproven < reserve && own.unproven < Self.unprovenOfOne
    return hasRoom ? .onlyToResume(refusal) : .turnedAway(refusal)
  }

  private mutating func count(_ network: ClientNetwork?, open: Int, unproven: Int) {
    self.open += open
    self.unproven += unproven
    guard let network else { return }
    shares[network, default: Share()].open += open
    shares[network, default: Share()].unproven += unproven
    if shares[network]?.open == 0 { shares[network] = nil }
  }
}

/// Why a connection, or what it asks, is refused for the number of those there are; named as the metric names it.
package enum ConnectionRefusal: String, CaseIterable {
  case limit = "max-connections"
  case share = "max-connections-per-address"
  /// They come too fast; those that may wait do.
  case pace = "rate"

  func text(_ limits: SignallingLimits) -> String {
    switch self {
    case .limit: "this server has its limit of \(limits.connections) connections (max-connections)"
    case .share:
      "this server has its limit of \(limits.connectionsPerAddress) connections from your address "
        + "(max-connections-per-address)"
    case .pace: "connections come from your address faster than this server takes them"
    }
  }
}
