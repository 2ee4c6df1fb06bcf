/// Events on their way from the worker to the control plane, in order. Datagrams, which strangers send too, are bounded:
/// what has no room is refused and counted. Of the other events the worker makes only so many.
public struct EventBacklog: Sendable {
  public static let maximumDatagrams = 4096
  public static let maximumOctets = 4 << 20

  /// Datagrams that had no room, ever.
  public private(set) var refusals: UInt64 = 0
  private var events: [FastPathEvent] = []
  private var datagrams = 0
  private var octets = 0

  public init() {}

  public var isEmpty: Bool { events.isEmpty }

  public mutating func append(_ new: [FastPathEvent]) {
    for event in new {
      guard case .datagram(let bytes, _, _) = event else {
        events.append(event)
        continue
      }
      guard datagrams < Self.maximumDatagrams, octets + bytes.count <= Self.maximumOctets else {
        refusals &+= 1
        continue
      }
      datagrams += 1
      octets += bytes.count
      events.append(event)
    }
  }

  /// The oldest, no more than `limit`.
  public mutating func take(_ limit: Int) -> [FastPathEvent] {
    let taken = Array(events.prefix(limit))
    events.removeFirst(taken.count)
    for case .datagram(let bytes, _, _) in taken {
      datagrams -= 1
      octets -= bytes.count
    }
    return taken
  }
}
