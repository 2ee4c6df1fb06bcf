import STUN
import Wire

/// What the control plane waits for from 5-tuples that are no transport's: how it knows one of its peers there.
public struct Expectation: Hashable, Sendable {
  /// Local username fragments that the peer's connectivity checks may name.
  public var usernameFragments: [String]
  /// Where a check of the peer was valid, so that its DTLS and RTCP may come from there.
  public var tuples: [FiveTuple]

  public init(usernameFragments: [String] = [], tuples: [FiveTuple] = []) {
    self.usernameFragments = usernameFragments
    self.tuples = tuples
  }

  public var isEmpty: Bool { usernameFragments.isEmpty && tuples.isEmpty }
}

/// The expectations of all peers. A stranger's datagram that fits none costs a look at what it says; nobody can say the right
/// thing by guessing.
struct Expectations {
  enum Admission { case admitted, tooMany, unexpected }

  private struct Entry {
    var expectation: Expectation
    var meter = RateMeter()
  }

  private var entries: [TransportID: Entry] = [:]
  /// By hash.
  private var byFragment: [Int: TransportID] = [:]
  /// Several clients behind one NAT may claim the same; the first has the others' datagrams counted to it.
  private var byTuple: [FiveTuple: [TransportID]] = [:]

  /// From now on `peer` is expected so; not at all if it is empty.
  mutating func expect(_ expectation: Expectation, of peer: TransportID) {
    let former = entries[peer]
    for fragment in former?.expectation.usernameFragments ?? [] { byFragment[Self.hash(of: fragment)] = nil }
    for tuple in former?.expectation.tuples ?? [] {
      byTuple[tuple]?.removeAll { $0 == peer }
      if byTuple[tuple]?.isEmpty == true { byTuple[tuple] = nil }
    }
    guard !expectation.isEmpty else {
      entries[peer] = nil
      return
    }
    for fragment in expectation.usernameFragments { byFragment[Self.hash(of: fragment)] = peer }
    for tuple in Set(expectation.tuples) { byTuple[tuple, default: []].append(peer) }
    entries[peer] = Entry(expectation: expectation, meter: former?.meter ?? RateMeter())
  }

  /// Whether a datagram that is not RTP is one that a peer is expected to send, at no more than `rate`.
  mutating func admits(
    _ datagram: UnsafeRawBufferPointer, on tuple: FiveTuple, _ rate: Rate, now: Instant
  ) -> Admission {
    guard let peer = peer(datagram) ?? byTuple[tuple]?.first else { return .unexpected }
    return entries[peer]?.meter.admits(rate, now: now) == true ? .admitted : .tooMany
  }

  /// Whose username fragment a connectivity check names.
  private func peer(_ datagram: UnsafeRawBufferPointer) -> TransportID? {
    guard let name = STUNMessage.username(ofRequest: datagram), let colon = name.firstIndex(of: UInt8(ascii: ":"))
    else {
      return nil
    }
    return byFragment[Self.hash(of: UnsafeRawBufferPointer(rebasing: name[..<colon]))]
  }

  private static func hash(of fragment: String) -> Int { Array(fragment.utf8).withUnsafeBytes(hash) }

  private static func hash(of fragment: UnsafeRawBufferPointer) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: fragment)
    return hasher.finalize()
  }
}
