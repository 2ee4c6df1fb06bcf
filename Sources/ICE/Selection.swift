import STUN
import Wire

/// The selected pair, and when checks elsewhere move it.
///
/// Clients nominate in three ways: once (RFC 8445), on every check of the pair they use (Chrome), or on several pairs
/// at once (aggressive nomination, RFC 5245; Firefox does so to a lite agent), where the one with the highest priority
/// counts. So a nomination on another pair moves the selection if that pair is better, or if the client has left the
/// selected one; two pairs that both keep nominating never make it flap.
///
/// Checks without USE-CANDIDATE choose no pair (RFC 8445 section 7.3.2), and other SFUs never move by them. But they
/// are all that a client sends that nominates once: Firefox's consent checks, every 4 to 6 s, do not nominate. If a NAT
/// gives such a client a new address, it notices nothing, since its checks are answered, while its media is lost until
/// consent ends. That pair is the one it nominated, seen from elsewhere, so the selection follows: see `rebound`.
struct Selection: Sendable {
  private(set) var pair: FiveTuple
  private var priority: UInt32
  private var lastCheck: Instant
  private var lastNomination: Instant
  /// The pair that the selection moved away from last.
  private var left: FiveTuple?
  /// Another pair that was nominated in vain, and in which transaction first.
  private var challenger: Check?
  /// The first check that came from elsewhere since the last one on the pair, as of a client behind a NAT that changed.
  private var stray: Check?

  /// A selected pair that shows no sign of life for this long yields to any other nomination.
  static let patience = Interval.seconds(3)
  /// A selected pair without a check for this long may have moved without being nominated anew. Longer than the 6 s in
  /// which a client that keeps its pair checks it (RFC 7675 section 5.1): whoever can hear its checks and send them
  /// again under a forged address, but not hold them back, then moves nothing.
  static let silence = Interval.seconds(8)

  /// One valid check.
  struct Check: Sendable {
    var pair: FiveTuple
    /// Its PRIORITY.
    var priority: UInt32
    var transactionID: STUNTransactionID
    var at: Instant

    /// Of which of the client's candidates it is: the local preference and component in its PRIORITY. The type preference
    /// above them is that of a peer-reflexive candidate (RFC 8445 section 7.1.1), but in Firefox's consent checks the
    /// candidate's own.
    func isOfCandidate(of priority: UInt32) -> Bool { (self.priority ^ priority) & 0xff_ffff == 0 }
  }

  init(_ nomination: Check) {
    pair = nomination.pair
    priority = nomination.priority
    lastCheck = nomination.at
    lastNomination = nomination.at
  }

  /// A valid check came on the selected pair.
  mutating func checked(at now: Instant) {
    lastCheck = now
    stray = nil
  }

  /// Takes in a nomination on whatever pair; true if the selection moved to it.
  mutating func nominated(_ nomination: Check) -> Bool {
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

  /// Takes in a check without USE-CANDIDATE on another pair; true if the selection moved to it: if the client has not
  /// checked the selected pair for `silence` and has checked this one twice instead, from what looks like the same
  /// candidate, to the same address of ours. Twice, since one may have been long under way.
  mutating func rebound(_ check: Check) -> Bool {
    guard check.pair != pair, check.pair.local == pair.local, check.isOfCandidate(of: priority) else { return false }
    guard let first = stray, first.pair == check.pair else {
      stray = check
      return false
    }
    guard first.transactionID != check.transactionID, check.at.since(lastCheck) >= Self.silence else { return false }
    left = pair
    pair = check.pair
    challenger = nil
    return true
  }

  private func yields(to nomination: Check) -> Bool {
    nomination.priority > priority || nomination.at.since(lastCheck) >= Self.patience || isRebinding(nomination)
      || isInsistent(nomination)
  }

  /// The same candidate of the client, seen from a new address: a NAT on the way has changed its mapping. If both
  /// addresses turn out to live, it was none, and the first of them does not win back.
  private func isRebinding(_ nomination: Check) -> Bool {
    nomination.priority == priority && nomination.pair.local == pair.local && nomination.pair != left
  }

  /// The client nominates this pair again and again and the selected one no more, though it still checks it. (A single
  /// late nomination, with its retransmissions, is a left-over of aggressive nomination.)
  private func isInsistent(_ nomination: Check) -> Bool {
    guard let challenger, challenger.pair == nomination.pair else { return false }
    return challenger.transactionID != nomination.transactionID
      && nomination.at.since(lastNomination) >= Self.patience
  }
}
