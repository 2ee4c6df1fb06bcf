import Forwarding
import RTP
import Wire

/// Key frames for a receiver that cannot ask: players and recorders may open a stream at any time and send no RTCP, or send
/// it nowhere. Whoever does send RTCP asks by itself.
struct KeyFrameRefresh {
  let interval: Interval
  private var due: Instant
  private var lastRTCP: Instant?

  /// Seconds without RTCP after which a receiver counts as one that sends none.
  private static let patience = Interval.seconds(15)

  init(interval: Interval, now: Instant) {
    self.interval = interval
    due = now.advanced(by: interval)
  }

  mutating func receivedRTCP(now: Instant) { lastRTCP = now }

  mutating func isDue(now: Instant) -> Bool {
    guard now >= due else { return false }
    due = now.advanced(by: interval)
    if let lastRTCP { return now.since(lastRTCP) > Self.patience }
    return true
  }
}

extension SFU {
  mutating func refreshClearReceivers(now: Instant) {
    for peer in clearReceivers where peers[peer]?.subscriber?.refresh?.isDue(now: now) == true {
      for sink in peers[peer]?.subscriber?.subscriptions.compactMap(\.sink) ?? [] {
        if let source = sinks[sink]?.sink.source { requestKeyFrame(of: source, now: now) }
      }
    }
  }
}
