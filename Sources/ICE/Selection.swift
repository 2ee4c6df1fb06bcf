import STUN
import Wire

/// The selected pair, and when a nomination elsewhere moves it.
///
/// Clients nominate in three ways: once (RFC 8445), on every check of the pair they use (Chrome), or on several pairs
/// at once (aggressive nomination, RFC 5245), where the one with the highest priority counts. So a nomination on
/// another pair moves the selection if that pair is better, or if the client has left the selected one; two pairs that
/// both keep nominating never make it flap.
struct Selection: Sendable {
  private(set) var pair: FiveTuple
  private var priority: UInt32
  private var lastCheck: Instant
  private var lastNomination: Instant
  /// The pair that the selection moved away from last.
  private var left: FiveTuple?
  /// Another pair that was nominated in vain, and in which transaction first.
  private var challenger: Nomination?

  /// A selected pair that shows no sign of life for this long yields to any other nomination.
  static let patience = Interval.seconds(3)

  /// One valid check with USE-CANDIDATE.
  struct Nomination: Sendable {
    var pair: FiveTuple
    /// The check's PRIORITY.
    var priority: UInt32
    var transactionID: STUNTransactionID
    var at: Instant
  }

  init(_ nomination: Nomination) {
    pair = nomination.pair
    priority = nomination.priority
    lastCheck = nomination.at
    lastNomination = nomination.at
  }

  /// A valid check came on the selected pair.
  mutating func checked(at now: Instant) { lastCheck = now }

  /// Takes in a nomination on whatever pair; true if the selection moved to it.
  mutating func nominated(_ nomination: Nomination) -> Bool {
    if nomination.pair == pair {
      priority = nomination.priority
      lastNomination = nomination.at
      challenger = nil
      return false
    }
    guard yields(to: nomination) else {
      if challenger?.pair != nomination.pair { challenger = nomination }
      return false
    }
    let left = pair
    self = Selection(nomination)
    self.left = left
    return true
  }

  private func yields(to nomination: Nomination) -> Bool {
    nomination.priority > priority || nomination.at.since(lastCheck) >= Self.patience || isRebinding(nomination)
      || isInsistent(nomination)
  }

  /// The same candidate of the client, seen from a new address: a NAT on the way has changed its mapping. If both
  /// addresses turn out to live, it was none, and the first of them does not win back.
  private func isRebinding(_ nomination: Nomination) -> Bool {
    nomination.priority == priority && nomination.pair.local == pair.local && nomination.pair != left
  }

  /// The client nominates this pair again and again and the selected one no more, though it still checks it. (A single
  /// late nomination, with its retransmissions, is a left-over of aggressive nomination.)
  private func isInsistent(_ nomination: Nomination) -> Bool {
    guard let challenger, challenger.pair == nomination.pair else { return false }
    return challenger.transactionID != nomination.transactionID
      && nomination.at.since(lastNomination) >= Self.patience
  }
}
