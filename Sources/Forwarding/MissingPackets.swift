import SRTP
import Wire

/// The packets of one source that did not come, and when its sender is to be asked for them. Bounded: the oldest make room.
///
/// ```
/// a gap ─ reordering? ─> asked ─ round trip, longer each time ─> asked again … given up: a key frame is needed
///            └──────────────┴──── it came, or a key frame did ──> forgotten
/// ```
struct MissingPackets: ~Copyable {
  private struct Entry {
    var index: UInt64
    /// When the gap was found.
    let since: Instant
    var due: Instant
    var firstAskedAt = Instant.zero
    var askedAt = Instant.zero
    var tries: UInt8 = 0
    var isReplaced = false
  }

  static let capacity = 256
  /// A longer gap is not filled: a key frame costs less than its packets.
  static let longestGap: UInt64 = 128
  private static let tries: UInt8 = 8
  private static let lifetime = Interval.seconds(1)
  /// How long a key frame may take that comes by itself after too long a gap.
  private static let keyFramePatience = Interval.milliseconds(100)
  /// What is unanswered for two round trips, and so long, is replaced by a key frame.
  private static let repairPatience = Interval.milliseconds(200)

  /// In the order of their indices; made at the first gap.
  private var entries: UnsafeMutablePointer<Entry>?
  private var count = 0
  private var reordering = Reordering()
  private(set) var roundTrip = RoundTrip()
  /// When a key frame is needed, unless one comes; nil: none is.
  private var keyFrameDue: Instant?
  /// When something is due; the end of time when nothing is.
  private(set) var due = Instant(nanoseconds: .max)

  deinit { entries?.deallocate() }

  /// The packets from `first` to `last` did not come before the one after them.
  mutating func found(_ first: UInt64, through last: UInt64, now: Instant) {
    guard last &- first < Self.longestGap else {
      forgetAll()
      keyFrameDue = now.advanced(by: Self.keyFramePatience)
      due = now.advanced(by: Self.keyFramePatience)
      return
    }
    let entries = reserve()
    let firstDue = now.advanced(by: reordering.wait)
    for index in first...last {
      if count == Self.capacity { removeFirst(1) }
      (entries + count).initialize(to: Entry(index: index, since: now, due: firstDue))
      count &+= 1
    }
    due = min(due, firstDue)
  }

  /// A packet came that was counted as missing; returns how long it was. `again`: as a retransmission.
  mutating func came(_ index: UInt64, again: Bool, now: Instant) -> Interval? {
    guard let position = position(of: index), let entry = entries?[position] else { return nil }
    if again {
      // Of several requests nobody knows which one was answered: at the most the first, and the least of many is true.
      if entry.tries > 0 { roundTrip.measured(now.since(entry.firstAskedAt), now: now) }
    } else if entry.tries == 0 || now.since(entry.askedAt) < (roundTrip.value ?? Self.unknownRoundTrip) {
      reordering.came(late: now.since(entry.since))
    }
    return now.since(entry.since)
  }

  func contains(_ index: UInt64) -> Bool { position(of: index) != nil }

  /// A key frame began: nobody needs what was before it.
  mutating func keyFrameBegan(at index: UInt64) {
    keyFrameDue = nil
    guard let entries else { return }
    var passed = 0
    while passed < count, entries[passed].index < index { passed &+= 1 }
    removeFirst(passed)
  }

  mutating func forgetAll() {
    count = 0
    keyFrameDue = nil
    due = Instant(nanoseconds: .max)
  }

  /// What is due goes to `events`: packets to ask `source` for, or that a key frame is needed. Those that `inbound` knows came
  /// meanwhile. Returns how many were asked for, and how many given up.
  mutating func settle(
    of source: SourceID, _ inbound: inout InboundStream, into events: inout PendingEvents, now: Instant
  ) -> (asked: Int, lost: Int) {
    if let keyFrameDue, now >= keyFrameDue {
      self.keyFrameDue = nil
      events.addKeyFrameNeeded(source)
    }
    due = keyFrameDue ?? Instant(nanoseconds: .max)
    guard let entries else { return (0, 0) }
    var (kept, asked, lost) = (0, 0, 0)
    for i in 0..<count where inbound.accepts(entries[i].index) {
      if now >= entries[i].due {
        guard entries[i].tries < Self.tries, now.since(entries[i].since) < Self.lifetime else {
          lost &+= 1
          continue
        }
        asked &+= 1
        events.addMissing(source, UInt16(truncatingIfNeeded: entries[i].index))
        if ask(entries + i, now: now) { events.addKeyFrameNeeded(source) }
      }
      due = min(due, entries[i].due)
      entries[kept] = entries[i]
      kept &+= 1
    }
    count = kept
    if lost > 0 { events.addKeyFrameNeeded(source) }
    return (asked, lost)
  }

  /// Notes that it is asked for. Returns whether it should be replaced by a key frame.
  private func ask(_ entry: UnsafeMutablePointer<Entry>, now: Instant) -> Bool {
    let patience =
      roundTrip.value.map { max(Interval(nanoseconds: $0.nanoseconds &* 2), Self.repairPatience) }
      ?? Self.unknownPatience
    let roundTrip = roundTrip.value ?? Self.unknownRoundTrip
    if entry.pointee.tries == 0 { entry.pointee.firstAskedAt = now }
    entry.pointee.due = now.advanced(by: Self.spacing(after: entry.pointee.tries, roundTrip))
    entry.pointee.askedAt = now
    entry.pointee.tries &+= 1
    guard entry.pointee.tries > 2, !entry.pointee.isReplaced, now.since(entry.pointee.since) >= patience else {
      return false
    }
    entry.pointee.isReplaced = true
    return true
  }

  private static let unknownRoundTrip = Interval.milliseconds(100)
  /// The sender may be on another continent: it has time for one answer before a key frame is asked for in its place.
  private static let unknownPatience = Interval.milliseconds(400)

  /// A tenth and 5 ms more than a round trip, and a quarter longer each time.
  private static func spacing(after tries: UInt8, _ roundTrip: Interval) -> Interval {
    var spacing = max(roundTrip.nanoseconds &+ roundTrip.nanoseconds / 10 &+ 5_000_000, 20_000_000)
    for _ in 0..<tries { spacing = spacing &+ spacing / 4 }
    return Interval(nanoseconds: min(spacing, 400_000_000))
  }

  private func position(of index: UInt64) -> Int? {
    guard let entries else { return nil }
    var (low, high) = (0, count)
    while low < high {
      let middle = (low &+ high) / 2
      if entries[middle].index < index { low = middle &+ 1 } else { high = middle }
    }
    return low < count && entries[low].index == index ? low : nil
  }

  private mutating func removeFirst(_ removed: Int) {
    guard let entries, removed > 0 else { return }
    count &-= removed
    entries.update(from: entries + removed, count: count)
  }

  private mutating func reserve() -> UnsafeMutablePointer<Entry> {
    if let entries { return entries }
    let new = UnsafeMutablePointer<Entry>.allocate(capacity: Self.capacity)
    entries = new
    return new
  }
}

/// How long a packet may only be late: nothing for a source whose packets come in order, else what nineteen of twenty keep to.
private struct Reordering {
  private(set) var wait = Interval.zero

  private static let shortest: UInt64 = 5_000_000
  private static let longest: UInt64 = 20_000_000
  private static let step: UInt64 = 100_000

  mutating func came(late: Interval) {
    let before = wait.nanoseconds
    let next =
      before == 0
      ? late.nanoseconds
      : late.nanoseconds > before ? before &+ 19 &* Self.step : before &- Self.step
    wait = Interval(nanoseconds: min(max(next, Self.shortest), Self.longest))
  }
}
