import Wire

/// Turns arrivals on one transport into transport feedback
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
///
/// Each feedback goes on from the last sequence number reported, so that gaps are reported as not received. A packet
/// that arrives after it was reported missing is reported once more, as libwebrtc's receiver does: feedback then
/// starts over at that packet and repeats what arrived after it, from a history of 500 ms. Senders take the
/// correction and ignore the repetition.
public struct TransportFeedbackBuilder: Sendable {
  /// How long arrivals are kept to be repeated.
  public static let historyWindow = Interval.milliseconds(500)
  /// The longest run of missing packets that is reported. Behind a longer one (the sender jumped) feedback starts anew.
  public static let maximumGap: Int64 = 8191
  /// Arrivals in one feedback packet. With six bytes each at worst, it fits into 1200 bytes.
  public static let maximumArrivals = 190

  private struct Entry {
    var sequence: Int64
    var at: Instant
    var isReported: Bool

    /// In the unit of deltas, rounded to nearest. Absolute, so that rounding errors do not add up.
    var ticks: Int64 {
      let (ticks, rest) = at.nanoseconds.quotientAndRemainder(dividingBy: TransportFeedback.deltaUnit.nanoseconds)
      return Int64(ticks) + (rest * 2 >= TransportFeedback.deltaUnit.nanoseconds ? 1 : 0)
    }
  }

  private var unwrapper = SequenceUnwrapper()
  /// By ascending sequence number, without repetitions.
  private var history: [Entry] = []
  private var latest: Instant = .zero
  /// One past the highest sequence number reported.
  private var next: Int64?
  private var feedbackCount: UInt8 = 0

  public init() {}

  /// Whether `build` would return feedback.
  public var isEmpty: Bool { history.allSatisfy(\.isReported) }

  /// A packet with transport-wide `sequence` arrived. Only its first arrival counts.
  public mutating func record(_ sequence: UInt16, at: Instant) {
    let extended = unwrapper.unwrap(sequence)
    latest = max(latest, at)
    if let next, extended < next - Self.maximumGap { restart() }
    let index = insertionIndex(of: extended)
    if index < history.count, history[index].sequence == extended { return }
    history.insert(Entry(sequence: extended, at: at, isReported: false), at: index)
    dropBeyondSequenceSpan()
  }

  /// The feedback packets for what was recorded since the last call; none if nothing was.
  public mutating func build(senderSSRC: UInt32, mediaSSRC: UInt32) -> [TransportFeedback] {
    var packets: [TransportFeedback] = []
    let end = (history.lastIndex { !$0.isReported } ?? -1) + 1
    var start = firstUnreported(from: 0)
    while start < end {
      let base = baseSequence(of: history[start])
      let stop = span(from: start, to: end, base: base)
      if let packet = feedback(start..<stop, base: base, senderSSRC: senderSSRC, mediaSSRC: mediaSSRC) {
        packets.append(packet)
        feedbackCount &+= 1
      }
      for index in start..<stop { history[index].isReported = true }
      next = max(next ?? .min, history[stop - 1].sequence + 1)
      start = firstUnreported(from: stop)
    }
    dropOld()
    return packets
  }

  /// Nothing is that late: the sender began to count anew.
  private mutating func restart() {
    history.removeAll()
    next = nil
  }

  /// Where the feedback that has `entry` as its first arrival begins: behind what was reported, if that is near.
  private func baseSequence(of entry: Entry) -> Int64 {
    guard let next, next < entry.sequence, entry.sequence - next <= Self.maximumGap else { return entry.sequence }
    return next
  }

  /// The end of the longest run of entries from `start` on that one feedback packet can carry: at least one entry.
  private func span(from start: Int, to end: Int, base: Int64) -> Int {
    let limit = min(end, start + Self.maximumArrivals)
    var stop = start + 1
    while stop < limit {
      let (previous, entry) = (history[stop - 1], history[stop])
      guard entry.sequence - previous.sequence <= Self.maximumGap, entry.sequence - base < Int64(UInt16.max),
        Int16(exactly: entry.ticks - previous.ticks) != nil
      else { break }
      stop += 1
    }
    return stop
  }

  private func feedback(
    _ range: Range<Int>, base: Int64, senderSSRC: UInt32, mediaSSRC: UInt32
  ) -> TransportFeedback? {
    let entries = history[range]
    guard let first = entries.first, let last = entries.last else { return nil }
    // The reference time is rounded down, so that the first delta is 0 to 255.
    let reference = first.ticks >> 8
    var ticks = reference << 8
    let arrivals = entries.map { entry in
      defer { ticks = entry.ticks }
      return TransportFeedback.Arrival(
        sequence: UInt16(truncatingIfNeeded: entry.sequence), delta: Int16(clamping: entry.ticks - ticks))
    }
    return TransportFeedback(
      senderSSRC: senderSSRC, mediaSSRC: mediaSSRC, baseSequence: UInt16(truncatingIfNeeded: base),
      packetCount: UInt16(clamping: last.sequence - base + 1), referenceTime: UInt32(truncatingIfNeeded: reference),
      feedbackCount: feedbackCount, arrivals: arrivals)
  }

  private func firstUnreported(from index: Int) -> Int {
    history[index...].firstIndex { !$0.isReported } ?? history.count
  }

  /// The first index whose entry is not below `sequence`. Almost always the end.
  private func insertionIndex(of sequence: Int64) -> Int {
    guard let last = history.last, last.sequence >= sequence else { return history.count }
    var (low, high) = (0, history.count)
    while low < high {
      let middle = (low + high) / 2
      if history[middle].sequence < sequence { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Half the sequence space is all that a receiver can order, and bounds the memory.
  private mutating func dropBeyondSequenceSpan() {
    guard let first = history.first, let last = history.last, last.sequence - first.sequence >= 0x8000 else { return }
    history.removeFirst(insertionIndex(of: last.sequence - 0x7fff))
  }

  private mutating func dropOld() {
    history.removeAll { $0.isReported && latest.since($0.at) > Self.historyWindow }
  }
}
