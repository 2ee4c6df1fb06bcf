import Forwarding
import ICE
import Wire

/// Finds the peer a datagram is for: by 5-tuple, else by the username fragment of a STUN request.
struct PeerFinder {
  private var byTuple: [FiveTuple: TransportID] = [:]
  private var byUsernameFragment: [String: TransportID] = [:]

  /// nil: nobody's.
  func find(_ datagram: [UInt8], on tuple: FiveTuple) -> TransportID? {
    guard let fragment = ICEAgent.localUsernameFragment(of: datagram) else { return byTuple[tuple] }
    return byUsernameFragment[fragment]
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
  }
}
