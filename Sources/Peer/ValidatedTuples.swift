import Wire

/// The 5-tuples on which a peer's ICE checks were valid lately: where datagrams other than STUN are taken from. Bounded: the
/// one whose last check is longest ago is forgotten first.
struct ValidatedTuples: Sendable {
  private var tuples: [FiveTuple] = []
  private static let capacity = 8

  /// A check on `tuple` was answered with success.
  mutating func insert(_ tuple: FiveTuple) {
    if tuples.last == tuple { return }
    tuples.removeAll { $0 == tuple }
    if tuples.count == Self.capacity { tuples.removeFirst() }
    tuples.append(tuple)
  }

  func contains(_ tuple: FiveTuple) -> Bool { tuples.contains(tuple) }
}
