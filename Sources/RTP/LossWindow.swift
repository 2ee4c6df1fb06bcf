import Wire

/// What became of a stream's packets between two reports on it.
public struct PacketLoss: Hashable, Sendable {
  /// Packets there should be, by sequence number.
  public var expected: UInt32
  /// Those that did not come by themselves; negative where duplicates outnumber losses.
  public var lost: Int32
  /// Those that came by retransmission (RFC 4588).
  public var repaired: UInt32

  public init(expected: UInt32, lost: Int32, repaired: UInt32 = 0) {
    self.expected = expected
    self.lost = lost
    self.repaired = repaired
  }

  /// Of the expected packets, those that did not come by themselves, 0 to 1.
  public var beforeRepair: Double { share(Int64(lost)) }

  /// Of the expected packets, those that did not come at all, 0 to 1.
  public var afterRepair: Double { share(Int64(lost) - Int64(repaired)) }

  private func share(_ count: Int64) -> Double {
    expected == 0 ? 0 : Double(min(max(count, 0), Int64(expected))) / Double(expected)
  }
}

/// The loss of the last ten seconds, from reports whose counts add up since reception began (RFC 3550 section 6.4.1): the
/// difference between the latest and one that is ten seconds older. One report alone says little: where every twentieth packet
/// gets lost, it may be none of this second's and every third of the next one's.
///
/// ```
///      one older ── at least a second apart ── latest    now
/// ───────●────────│────●───────●───────●───────●──────────│──> t
///                 └────────────── length ─────────────────┘
/// ```
public struct LossWindow: Sendable {
  public static let length = Interval.seconds(10)
  /// However often there are reports, so few are kept.
  private static let spacing = Interval.seconds(1)

  private struct Report {
    var at: Instant
    var highest: UInt32
    var lost: Int32
    var repaired: UInt32
  }

  /// The oldest first: at most one that is older than the window, and those within it.
  private var reports: [Report] = []

  public init() {}

  /// Adds a report.
  ///
  /// - Parameters:
  ///   - highest: the highest sequence number so far, extended by rollovers, or as many packets as are expected so far;
  ///     it may wrap.
  ///   - lost: packets lost so far, of which the lower 24 bits count.
  ///   - repaired: packets that came by retransmission so far; it may wrap.
  ///   - now: when it came. A report that is behind the one before, in time or number, begins anew: its source or its
  ///     receiver did.
  public mutating func add(highest: UInt32, lost: Int32, repaired: UInt32 = 0, at now: Instant) {
    if let last = reports.last, now < last.at || Int32(bitPattern: highest &- last.highest) < 0 { reports = [] }
    if reports.count > 1, reports[reports.count - 1].at.since(reports[reports.count - 2].at) < Self.spacing {
      reports.removeLast()
    }
    reports.append(Report(at: now, highest: highest, lost: lost, repaired: repaired))
    while reports.count > 1, now.since(reports[1].at) >= Self.length { reports.removeFirst() }
  }

  /// Adds what a receiver reports. One whose count of lost packets is at its limit says nothing, and the window begins anew.
  public mutating func add(_ block: ReportBlock, repaired: UInt32 = 0, at now: Instant) {
    if block.isSaturated {
      reports = []
    } else {
      add(highest: block.highestSequence, lost: block.cumulativeLost, repaired: repaired, at: now)
    }
  }

  /// Between the latest report and the one before the window, or the oldest there is; nil if there are not two, if the latest
  /// is not of the last ten seconds, and if there was no packet to lose.
  public func loss(now: Instant) -> PacketLoss? {
    guard let latest = reports.last, now.since(latest.at) < Self.length else { return nil }
    // Reports may have stayed out since the latest was added.
    let start = reports.last { now.since($0.at) >= Self.length } ?? reports[0]
    let expected = latest.highest &- start.highest
    guard expected > 0 else { return nil }
    // Receivers count in 24 bits: shifted up and down again to carry the sign.
    let lost = ((latest.lost &- start.lost) << 8) >> 8
    return PacketLoss(expected: expected, lost: lost, repaired: latest.repaired &- start.repaired)
  }
}

extension ReportBlock {
  /// Whether its count of lost packets is at a limit of the 24 bits, where it stays.
  fileprivate var isSaturated: Bool { cumulativeLost >= 0x7f_ffff || cumulativeLost <= -0x80_0000 }
}
