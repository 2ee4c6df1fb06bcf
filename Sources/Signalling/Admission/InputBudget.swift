/// What all clients together may have brought of messages and bodies that are not complete yet. A connection's first
/// 16 KiB are its own; what is beyond comes from here, no more than a quarter of it for one network. On the event loop only.
final class InputBudget {
  /// Octets that each connection may hold without asking.
  static let free = 16 << 10

  let capacity: Int
  private(set) var held = 0
  private(set) var refusals: UInt64 = 0
  private var shares: [ClientNetwork: Int] = [:]

  init(capacity: Int) { self.capacity = capacity }

  /// False, and counted, if there is no room for `octets` more.
  func take(_ octets: Int, _ network: ClientNetwork?) -> Bool {
    let own = network.flatMap { shares[$0] } ?? 0
    guard held + octets <= capacity, network == nil || own + octets <= capacity / 4 else {
      refusals += 1
      return false
    }
    held += octets
    if let network { shares[network] = own + octets }
    return true
  }

  func giveBack(_ octets: Int, _ network: ClientNetwork?) {
    held -= octets
    guard let network, let own = shares[network] else { return }
    shares[network] = own > octets ? own - octets : nil
  }
}

/// What one connection holds of the budget. On the event loop only.
final class InputClaim {
  private let budget: InputBudget?
  private let network: ClientNetwork?
  private var claimed = 0

  /// `budget`: nil where nothing is bounded in all.
  init(_ budget: InputBudget?, _ network: ClientNetwork?) {
    self.budget = budget
    self.network = network
  }

  /// Whether the connection may hold so many octets in all.
  func cover(_ octets: Int) -> Bool {
    let further = octets - InputBudget.free - claimed
    guard further > 0, let budget else { return true }
    guard budget.take(further, network) else { return false }
    claimed += further
    return true
  }

  /// It holds nothing any more.
  func release() {
    if claimed > 0 { budget?.giveBack(claimed, network) }
    claimed = 0
  }
}
