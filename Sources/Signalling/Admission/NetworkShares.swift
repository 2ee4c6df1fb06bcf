import NIOCore
import Wire

/// What the connections of each network have had together.
struct NetworkShares {
  private static let maximumNetworks = 8192

  private var shares: [ClientNetwork: ProcessorShare] = [:]

  mutating func spent(_ work: Interval, by network: ClientNetwork, now: NIODeadline) {
    if shares.count >= Self.maximumNetworks, shares[network] == nil { makeRoom(now) }
    shares[network, default: .ofNetwork].spent(work, now: now)
  }

  func pause(_ network: ClientNetwork, now: NIODeadline) -> TimeAmount { shares[network]?.pause(now: now) ?? .zero }

  /// Who owes nothing needs no entry, and so many hosts at once have no need of a bound each.
  private mutating func makeRoom(_ now: NIODeadline) {
    shares = shares.filter { $0.value.debt(now: now) > .zero }
    if shares.count >= Self.maximumNetworks { shares = [:] }
  }
}
