import Forwarding
import ICE
import Wire

/// Finds the peer a datagram is for: a STUN request by its username fragment, whatever else by 5-tuple. That is the one
/// which ICE selected, or one on which a check was good: clients begin DTLS before they nominate, and their RTCP may come on
/// any pair that works.
struct PeerFinder {
  /// A peer whose check was good on a 5-tuple, and when the latest was.
  private struct Claim {
    let peer: TransportID
    var at: Instant
  }

  private var byTuple: [FiveTuple: TransportID] = [:]
  private var byUsernameFragment: [String: TransportID] = [:]
  /// A check proves who made it, not where it came from: the first holds the tuple as long as it is heard, and what comes
  /// there is shown to all, of whom only the one that is meant can make anything of it.
  private var claims: [FiveTuple: [Claim]] = [:]
  private static let claimsOfTuple = 4
  private static let claimsOfPeer = 8
  /// How long a claim keeps others out: as long as a selected pair does (`ICEAgent.isSilent`).
  private static let claimLifetime = Interval.seconds(8)

  /// Who is meant by the username of a STUN request; nil: nobody.
  func find(usernameFragment: String) -> TransportID? { byUsernameFragment[usernameFragment] }

  /// For whom a datagram on `tuple` may be that names nobody.
  func find(on tuple: FiveTuple) -> [TransportID] {
    let owner = byTuple[tuple]
    return (owner.map { [$0] } ?? []) + (claims[tuple] ?? []).map(\.peer).filter { $0 != owner }
  }

  /// Whether a peer other than `id` was the first to be heard on `tuple`, and still is.
  func isClaimed(_ tuple: FiveTuple, against id: TransportID, now: Instant) -> Bool {
    guard let first = claims[tuple]?.first(where: { now.since($0.at) < Self.claimLifetime }) else { return false }
    return first.peer != id
  }

  /// A check of the session's peer was good on `tuple`.
  mutating func claim(_ tuple: FiveTuple, for session: PeerSession, now: Instant) {
    var all = claims[tuple, default: []]
    if let index = all.firstIndex(where: { $0.peer == session.id }) {
      all[index].at = now
    } else {
      if all.count == Self.claimsOfTuple { all.removeFirst() }
      all.append(Claim(peer: session.id, at: now))
      session.claims.removeAll { $0 == tuple }  // others may have taken its place meanwhile
      session.claims.append(tuple)
    }
    claims[tuple] = all
    if session.claims.count > Self.claimsOfPeer { forget(session.claims.removeFirst(), of: session.id) }
  }

  private mutating func forget(_ tuple: FiveTuple, of peer: TransportID) {
    claims[tuple]?.removeAll { $0.peer == peer }
    if claims[tuple]?.isEmpty == true { claims[tuple] = nil }
  }

  /// From now on requests that name one of `new` are the peer's, and those that name another of `old` no longer.
  mutating func rename(_ peer: TransportID, from old: [String], to new: [String]) {
    for fragment in old { byUsernameFragment[fragment] = nil }
    for fragment in new { byUsernameFragment[fragment] = peer }
  }

  /// From now on datagrams on `tuple` are the peer's, and those on `old` no longer.
  mutating func move(_ peer: TransportID, from old: FiveTuple?, to tuple: FiveTuple) {
    if let old, byTuple[old] == peer { byTuple[old] = nil }
    byTuple[tuple] = peer
  }

  /// Whose datagrams on `tuple` are; nil: nobody's yet.
  func owner(of tuple: FiveTuple) -> TransportID? { byTuple[tuple] }

  mutating func remove(_ session: PeerSession) {
    let tuples = (session.tuple.map { [$0] } ?? []) + session.connection.fixedTuples
    for tuple in tuples where byTuple[tuple] == session.id { byTuple[tuple] = nil }
    for fragment in session.usernameFragments { byUsernameFragment[fragment] = nil }
    for tuple in session.claims { forget(tuple, of: session.id) }
  }
}
