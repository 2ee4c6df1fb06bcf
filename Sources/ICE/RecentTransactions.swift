import STUN
import Wire

/// The valid checks seen lately, by transaction and 5-tuple: a copy of one proves nothing. What is older than the last
/// `capacity` checks, ten minutes of a browser's, passes as new.
struct RecentTransactions: Sendable {
  enum Sighting {
    /// Not seen before.
    case fresh
    /// Seen on the same 5-tuple: a retransmission, which has to be answered, or a copy.
    case again
    /// Seen first on another 5-tuple.
    case elsewhere
  }

  private struct Entry {
    var transaction: STUNTransactionID
    /// Stands for the 5-tuple.
    var pair: Int
  }

  private static let capacity = 256
  private var entries: [Entry] = []
  private var oldest = 0

  mutating func note(_ transaction: STUNTransactionID, on pair: FiveTuple) -> Sighting {
    if let seen = entries.first(where: { $0.transaction == transaction }) {
      return seen.pair == pair.hashValue ? .again : .elsewhere
    }
    let entry = Entry(transaction: transaction, pair: pair.hashValue)
    if entries.count < Self.capacity {
      entries.append(entry)
    } else {
      entries[oldest] = entry
      oldest = (oldest + 1) % Self.capacity
    }
    return .fresh
  }
}
