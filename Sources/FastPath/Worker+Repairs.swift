import Forwarding
import Wire

// What receivers miss.
extension Worker {
  /// So many packets are sent again in one turn, so that a storm of requests keeps nobody's media waiting.
  private static let repairsPerTurn = 256

  /// Sends packets again that receivers asked for. What is left has its turn after the media that came meanwhile.
  mutating func sendRepairs() {
    guard forwarder.hasRepairs else { return }
    var left = Self.repairsPerTurn
    while left > 0, forwarder.hasRepairs {
      let now = Instant.current()
      if copies.rest.count == 0 { flush(now: now) }
      let places = UnsafeMutableBufferPointer(rebasing: copies.rest.prefix(left))
      guard places.count > 0 else {
        counters.withoutFrame &+= 1
        break
      }
      let written = forwarder.beginRepairs(into: places)
      for copy in places.prefix(written) {
        if let askedAt = copy.askedAt { repairTimes.add(now.since(askedAt), count: 1) }
      }
      copies.add(written)
      left -= max(1, written)
    }
    flush(now: Instant.current())
  }
}
