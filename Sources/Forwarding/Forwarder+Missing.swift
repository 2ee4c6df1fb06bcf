import SRTP
import Wire

// What publishers are asked for: packets that did not come (RFC 4585 section 6.2.1).
extension Forwarder {
  /// When `takeEvents` has something to tell that no packet brings; the end of time when there is nothing.
  @inline(__always)
  public var nextDue: Instant { min(missingDue, events.arrivalsDue) }

  /// So many packets of this stream are missing.
  mutating func noteMissing(_ missing: UInt64, of stream: Int) {
    streams[stream].pointee.statistics.missing &+= missing
    totals.missing &+= missing
    missingDue = min(missingDue, streams[stream].pointee.missing.due)
    guard !streams[stream].pointee.isWaiting else { return }
    streams[stream].pointee.isWaiting = true
    waitingStreams.append(stream)
  }

  /// Asks for what is due.
  mutating func settleMissing(now: Instant) {
    missingDue = Instant(nanoseconds: .max)
    var kept = 0
    for i in waitingStreams.indices {
      let stream = streams[waitingStreams[i]]
      if let source = stream.pointee.source, stream.pointee.missing.due <= now {
        let (asked, lost) = stream.pointee.missing.settle(
          of: source, &stream.pointee.inbound, into: &events, now: now)
        stream.pointee.statistics.requested &+= UInt64(asked)
        stream.pointee.statistics.unrepaired &+= UInt64(lost)
        totals.unrepaired &+= UInt64(lost)
      }
      stream.pointee.isWaiting = stream.pointee.missing.due < Instant(nanoseconds: .max)
      guard stream.pointee.isWaiting else { continue }
      missingDue = min(missingDue, stream.pointee.missing.due)
      waitingStreams[kept] = waitingStreams[i]
      kept += 1
    }
    waitingStreams.removeLast(waitingStreams.count - kept)
  }
}
