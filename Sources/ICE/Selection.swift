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
///
/// Both kinds of new mapping are followed at once and then doubted for a while: somebody on the path may have sent the
/// client's check before the client's own arrived, or kept an old one. A client that is heard where it was has not moved. So
/// the selection goes back, and from then on such moves wait until the selected pair is silent: see `isBack`.
struct Selection: Sendable {
  private(set) var pair: FiveTuple
  private var priority: UInt32
  private var lastCheck: Instant
  private var lastNomination: Instant
  /// The pair that the selection moved away from last.
  private var left: FiveTuple?
  /// Another pair that was nominated in vain, and in which transaction first.
  private var challenger: Check?
  /// What speaks against the latest move, if it followed a new mapping.
  private var doubt: Doubt?
  /// Whether the client was once not where a check from elsewhere said.
  private var isWary = false
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

  /// The pair that was left for what seemed a new mapping of the same candidate.
  private struct Doubt {
    var left: FiveTuple
    /// The check that did it.
    var cause: STUNTransactionID
    var since: Instant
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
    let (left, wary) = (pair, isWary)
    let isDoubtful = nomination.priority == priority && nomination.pair.local == left.local
    self = Selection(nomination)
    self.left = left
    isWary = wary
    if isDoubtful { doubt = Doubt(left: left, cause: nomination.transactionID, since: nomination.at) }
    return true
  }

  /// Takes in a check, with or without USE-CANDIDATE; true if it comes from where the client seemed to have left, so that the
  /// selection went back there.
  mutating func isBack(_ check: Check) -> Bool { goBack(to: check.pair, at: check.at) }

  /// Takes in a copy of a check; true if it is the original of the one that moved the selection, which was a copy sent by
  /// somebody quicker, so that the selection went back.
  mutating func original(of transaction: STUNTransactionID, on pair: FiveTuple, at now: Instant) -> Bool {
    doubt?.cause == transaction && goBack(to: pair, at: now)
  }

  private mutating func goBack(to pair: FiveTuple, at now: Instant) -> Bool {
    guard let doubt, doubt.left == pair, now.since(doubt.since) < Self.silence else { return false }
    left = self.pair
    self.pair = pair
    self.doubt = nil
    isWary = true
    challenger = nil
    lastNomination = now
    checked(at: now)
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
    doubt = Doubt(left: pair, cause: check.transactionID, since: check.at)
    pair = check.pair
    challenger = nil
    return true
  }

  private func yields(to nomination: Check) -> Bool {
    nomination.priority > priority || nomination.at.since(lastCheck) >= Self.patience || isRebinding(nomination)
      || isInsistent(nomination)
  }

  /// The same candidate of the client, seen from a new address: a NAT on the way has changed its mapping.
  private func isRebinding(_ nomination: Check) -> Bool {
    !isWary && nomination.priority == priority && nomination.pair.local == pair.local && nomination.pair != left
  }

  /// The client nominates this pair again and again and the selected one no more, though it still checks it. (A single
  /// late nomination, with its retransmissions, is a left-over of aggressive nomination.)
  private func isInsistent(_ nomination: Check) -> Bool {
    guard let challenger, challenger.pair == nomination.pair else { return false }
    return challenger.transactionID != nomination.transactionID
      && nomination.at.since(lastNomination) >= Self.patience
  }
}
