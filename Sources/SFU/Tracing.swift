import Forwarding
import Wire

/// The packets of one source that somebody looks at, numbered from 0. Kept as long as somebody asks for them.
struct Trace {
  private(set) var every: UInt32
  var polledAt: Instant
  var refusal: String?
  private(set) var missed: UInt64 = 0
  /// The number of the first packet that is kept.
  private var first: UInt64 = 0
  private var packets: [TracedPacket] = []

  static let maximumKept = 4096
  static let maximumTold = 1024
  /// Without a request for so long it ends.
  static let patience = Interval.seconds(2)

  init(every: UInt32, now: Instant) {
    self.every = every
    polledAt = now
  }

  /// Several may look at once: the finest sampling serves them all. Returns whether it changed.
  mutating func refine(_ every: UInt32) -> Bool {
    guard every < self.every else { return false }
    self.every = every
    return true
  }

  mutating func take(_ news: TraceNews) {
    refusal = news.refusal ?? refusal
    missed = max(missed, news.missed)
    packets += news.packets
    let surplus = max(0, packets.count - Self.maximumKept)
    packets.removeFirst(surplus)
    first &+= UInt64(surplus)
  }

  func packets(after cursor: UInt64?) -> (packets: ArraySlice<TracedPacket>, next: UInt64, overrun: UInt64) {
    let end = first &+ UInt64(packets.count)
    guard let cursor, cursor <= end else { return ([], end, 0) }
    let start = max(cursor, first)
    let told = packets[Int(start - first)...].prefix(Self.maximumTold)
    return (told, start &+ UInt64(told.count), start - cursor)
  }
}

/// Looking at the packets of single sources.
extension SFU {
  /// What was traced of a source since the request before; the first request begins the trace, and two seconds without
  /// one end it.
  public mutating func trace(_ request: TraceRequest, now: Instant) -> (TraceOutcome, [SFUCommand]) {
    let outcome = follow(request, now: now)
    defer { commands = [] }
    return (outcome, commands)
  }

  private mutating func follow(_ request: TraceRequest, now: Instant) -> TraceOutcome {
    let id = SourceID(rawValue: request.source)
    guard sources[id] != nil else { return .notFound("there is no source \(request.source)") }
    guard request.every > 0 else {
      endTrace(id)
      return .traced(report(Trace(every: 0, now: now), request, now: now))
    }
    var trace = traces[id] ?? Trace(every: .max, now: now)
    if let refusal = trace.refusal {
      traces[id] = nil
      return .refused(explain(refusal, id))
    }
    if trace.refine(request.every) { commands.append(.fastPath(.trace(id, every: request.every))) }
    trace.polledAt = now
    traces[id] = trace
    return .traced(report(trace, request, now: now))
  }

  private func report(_ trace: Trace, _ request: TraceRequest, now: Instant) -> TraceReport {
    let (packets, next, overrun) = trace.packets(after: request.after)
    var destinations: [SinkID: TracedSink] = [:]
    for id in Set(packets.flatMap(\.sinks)) {
      guard let sink = sinks[id]?.sink, let peer = peers[sink.transport] else { continue }
      destinations[id] = TracedSink(
        remote: peer.tuple.map { "\($0.remote)" } ?? "", name: participants[peer.participant]?.name ?? "",
        ssrc: sink.ssrc)
    }
    return TraceReport(
      source: request.source, next: next, missed: trace.missed, overrun: overrun, packets: Array(packets),
      sinks: destinations, at: now)
  }

  private func explain(_ refusal: String, _ id: SourceID) -> String {
    let port = configuration.candidates.first.map { " udp port \($0.port)" } ?? ""
    return
      "no program in the kernel sees the packets of source \(id.rawValue), so there is nothing to trace: \(refusal). "
      + "needlectl doctor says what the fast path lacks on this host; on the socket lane, tcpdump\(port) shows packets"
  }

  mutating func received(_ news: [TraceNews]) {
    for news in news { traces[news.source]?.take(news) }
  }

  mutating func endTrace(_ id: SourceID) {
    guard traces.removeValue(forKey: id) != nil else { return }
    commands.append(.fastPath(.trace(id, every: 0)))
  }

  /// Ends what nobody asks for any more.
  mutating func endIdleTraces(now: Instant) {
    for (id, trace) in traces where now.since(trace.polledAt) >= Trace.patience { endTrace(id) }
  }
}
