import Wire

/// What the worker keeps of a sink to send packets again: the stream of its retransmissions (RFC 4588), and what was sent on
/// it of late.
struct Retransmitter: ~Copyable {
  let ssrc: UInt32
  /// By the receiver's payload type of media; `SinkSlot.unmapped` where there is none.
  let payloadTypes: InlineArray<128, UInt8>
  /// The packet index that the next one gets. Whatever it carries, none is used twice.
  private(set) var nextIndex: UInt64
  var history = RepairHistory()
  var budget = RepairBudget()

  init(_ stream: RetransmissionStream, firstIndex: UInt64) {
    ssrc = stream.ssrc
    var types = InlineArray<128, UInt8>(repeating: SinkSlot.unmapped)
    for (from, to) in stream.payloadTypes where from < 128 && to < 128 { types[Int(from)] = to }
    payloadTypes = types
    nextIndex = firstIndex
  }

  /// The index of a packet that is about to be sealed.
  mutating func takeIndex() -> UInt64 {
    defer { nextIndex &+= 1 }
    return nextIndex
  }
}

/// When packets were sent to one receiver again, and how often. The latest of those that fall on one place are remembered; who
/// asks for so many that they push each other out is stopped by its budget.
struct RepairHistory: ~Copyable {
  private struct Entry {
    var index: UInt64
    var at: Instant
    var count: UInt8
  }

  /// Times that one packet is sent again to one receiver. Where every seventh packet gets lost, three would leave one in 2000
  /// unrepaired, which is a frozen picture every 20 s; five, one in 90 000.
  static let limit: UInt8 = 5
  /// At least, between two times; and as long as nothing is known of the round trip.
  private static let shortestSpacing = Interval.milliseconds(20)
  private static let unknownRoundTrip = Interval.milliseconds(100)
  private static let places = 256
  /// Made at the first loss: most receivers of a large room have none.
  private var entries: UnsafeMutablePointer<Entry>?

  deinit { entries?.deallocate() }

  /// Why a packet is not to be sent now; nil if it may be.
  func denial(of index: UInt64, roundTrip: Interval?, now: Instant) -> RepairOutcome? {
    guard let entry = entries?[Self.place(index)], entry.index == index else { return nil }
    if entry.count >= Self.limit { return .tooOften }
    let spacing = max(roundTrip ?? Self.unknownRoundTrip, Self.shortestSpacing)
    return now.since(entry.at) < spacing ? .tooSoon : nil
  }

  /// The packet is sent.
  mutating func sent(_ index: UInt64, now: Instant) {
    let entry = reserve() + Self.place(index)
    let count = entry.pointee.index == index ? entry.pointee.count : 0
    entry.pointee = Entry(index: index, at: now, count: count &+ 1)
  }

  private mutating func reserve() -> UnsafeMutablePointer<Entry> {
    if let entries { return entries }
    let new = UnsafeMutablePointer<Entry>.allocate(capacity: Self.places)
    new.initialize(repeating: Entry(index: .max, at: .zero, count: 0), count: Self.places)
    entries = new
    return new
  }

  private static func place(_ index: UInt64) -> Int { Int(truncatingIfNeeded: index) & (places - 1) }
}

/// How much one receiver may be sent again: a quarter of what it was sent, and a little that does not depend on that.
struct RepairBudget {
  /// Octets. What is left adds up to no more than a long burst of losses takes.
  private var left: UInt64 = Self.most
  private var sent: UInt64 = 0
  private var at = Instant.zero

  private static let most: UInt64 = 128 << 10
  /// 64 kbit/s.
  private static let bytesPerSecond: UInt64 = 8000

  /// Takes `octets`; false if there are not so many. `sent`: octets of media that the receiver was sent so far.
  mutating func take(_ octets: Int, sent: UInt64, now: Instant) -> Bool {
    let milliseconds = min(now.since(at).nanoseconds / 1_000_000, 60_000)
    if milliseconds > 0 { at = now }
    left = min(Self.most, left &+ (sent &- self.sent) / 4 &+ milliseconds &* Self.bytesPerSecond / 1000)
    self.sent = sent
    let needed = UInt64(truncatingIfNeeded: max(0, octets))
    guard left >= needed else { return false }
    left &-= needed
    return true
  }
}
