import SRTP

/// Which packet index (RFC 3711 section 3.3.1) a sink gives to a packet of its source: the source's index moved by an
/// offset. The offset changes only at the first packet after an interruption, which is a pause or a source that began
/// anew, and then only packets newer than that one count, so that no index ever names two packets.
///
/// ```
///             first packet          interrupt()
///   starting ─────────────> running ────────────> interrupted
///                              ^                       │ next packet: continues without a gap
///                              └───────────────────────┘
/// ```
struct SinkNumbering {
  private enum State {
    case starting
    case running
    case interrupted
  }

  /// A run of source indices with one offset.
  private struct Run {
    /// Added to a source index to give the sink's.
    var offset: Int64
    /// The first source index that has a number in it.
    var first: UInt64
    /// Lowest and highest source index that came.
    var lowest: UInt64
    var last: UInt64

    /// The sink's index of the source's.
    func moved(_ index: UInt64) -> UInt64 { UInt64(bitPattern: Int64(bitPattern: index) &+ offset) }
  }

  private var state = State.starting
  private var current = Run(offset: 0, first: 0, lowest: 0, last: 0)
  /// The run before the last interruption, for retransmissions of its packets.
  private var previous: Run?
  /// The highest index used.
  private var highest: UInt64 = 0
  private let sequenceOffset: UInt16
  private let isClear: Bool
  /// The index to continue with when the SSRC was sent before under the same keys; 0: never.
  private let resumeIndex: UInt64

  init(sequenceOffset: UInt16, isClear: Bool, resumeIndex: UInt64) {
    self.sequenceOffset = sequenceOffset
    self.isClear = isClear
    self.resumeIndex = resumeIndex
  }

  /// The first index never used; 0 if none was.
  var nextIndex: UInt64 { state == .starting ? resumeIndex : highest &+ 1 }

  /// What is added to source sequence numbers from now on; nil while the next packet decides.
  var settledOffset: UInt16? {
    switch state {
    case .starting: isClear ? sequenceOffset : nil
    case .running: UInt16(truncatingIfNeeded: current.offset)
    case .interrupted: nil
    }
  }

  /// What comes next continues without a gap, whatever its number.
  mutating func interrupt() {
    if state == .running { state = .interrupted }
  }

  /// The index of the copy of the source's packet `index`; nil if the sink's numbers do not reach back to it, or are used
  /// up.
  @inline(__always)
  mutating func number(_ index: UInt64) -> UInt64? {
    if state != .running { begin(index) }
    guard index >= current.first else { return nil }
    let moved = UInt64(bitPattern: Int64(bitPattern: index) &+ current.offset)
    guard moved < PacketIndex.end else { return nil }
    if moved > highest { highest = moved }
    if index > current.last { current.last = index } else if index < current.lowest { current.lowest = index }
    return moved
  }

  /// How far back a receiver may miss packets: at 25 Mbit/s most of a second.
  static let repairable: UInt64 = 2048

  /// The source's index of the packet that the sink numbered `sequence`; nil unless it is one of the latest `repairable`.
  func sourceIndex(ofSink sequence: UInt16) -> UInt64? {
    guard state != .starting else { return nil }
    let index = PacketIndex.estimate(sequence, highest: highest)
    guard index <= highest, highest - index < Self.repairable else { return nil }
    let run = index >= current.moved(current.first) ? current : previous
    guard let run, index >= run.moved(run.lowest), index <= run.moved(run.last) else { return nil }
    return UInt64(bitPattern: Int64(bitPattern: index) &- run.offset)
  }

  /// Whether a packet of the source is one of the current run, which goes on from its first.
  func reaches(_ index: UInt64) -> Bool { state == .running && index >= current.first }

  /// Fixes the offset at the first packet after the start or an interruption.
  private mutating func begin(_ index: UInt64) {
    let wasInterrupted = state == .interrupted
    let start = wasInterrupted ? highest &+ 1 : resumeIndex > 0 ? resumeIndex : firstIndex(index)
    if wasInterrupted { previous = current }
    let offset = Int64(bitPattern: start &- index)
    let continues = wasInterrupted || resumeIndex > 0
    // At the very start, packets that come late are welcome as far as there are numbers below.
    let first = continues ? index : offset < 0 ? UInt64(bitPattern: -offset) : 0
    current = Run(offset: offset, first: first, lowest: index, last: index)
    highest = start
    state = .running
  }

  /// Receivers take the rollover counter of the first packet they get to be 0 (RFC 3711 section 3.3.1). If the first
  /// packets were numbered just below 65536 and got lost, a receiver would never authenticate anything: such a sink
  /// starts half-way round instead.
  private func firstIndex(_ index: UInt64) -> UInt64 {
    let sequence = UInt16(truncatingIfNeeded: index) &+ sequenceOffset
    // A clear stream has no rollover counter to get wrong, only numbers below the first to make room for.
    if isClear { return 0x1_0000 | UInt64(sequence) }
    return UInt64(sequence >= Self.nearRollover ? sequence &- 0x8000 : sequence)
  }

  private static let nearRollover: UInt16 = 0xf000
}
