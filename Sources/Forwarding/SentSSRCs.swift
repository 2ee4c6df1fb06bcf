/// The SSRCs sent under one transport's keys: no two sinks may share one, and no index of one may be used twice, even when
/// the control plane removes a sink and adds another with the same SSRC.
///
/// Of bounded size: of those without a sink the lowest are forgotten, and from then on every new one must be above them.
/// Whoever takes ascending SSRCs never notices.
struct SentSSRCs {
  private struct Entry {
    var isLive: Bool
    /// The first index never used; 0 if none was.
    var nextIndex: UInt64
  }

  private var entries: [UInt32: Entry] = [:]
  private var highestForgotten: UInt32?

  /// The index that a new sink begins with, 0 for any; nil if it may not have this SSRC.
  mutating func begin(_ ssrc: UInt32, remembering limit: Int) -> UInt64? {
    if let known = entries[ssrc] {
      guard !known.isLive else { return nil }
      entries[ssrc]?.isLive = true
      return known.nextIndex
    }
    if let highestForgotten, ssrc <= highestForgotten { return nil }
    if entries.count >= limit { forgetLowest() }
    entries[ssrc] = Entry(isLive: true, nextIndex: 0)
    return 0
  }

  /// The sink is gone; `nextIndex` is the first that it never used, 0 if it used none.
  mutating func end(_ ssrc: UInt32, nextIndex: UInt64) { entries[ssrc] = Entry(isLive: false, nextIndex: nextIndex) }

  /// Under no keys an SSRC may be used as often as one likes.
  mutating func forget(_ ssrc: UInt32) { entries[ssrc] = nil }

  private mutating func forgetLowest() {
    guard let lowest = entries.lazy.filter({ !$0.value.isLive }).map(\.key).min() else { return }
    entries[lowest] = nil
    highestForgotten = max(highestForgotten ?? 0, lowest)
  }
}
