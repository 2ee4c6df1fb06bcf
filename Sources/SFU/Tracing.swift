import Forwarding
import Wire

/// The packets of one source that somebody looks at, numbered from 0. Kept as long as somebody asks for them.
struct Trace {
  /// One packet in so many is told of; 0: the fast path has no order yet.
  private(set) var every: UInt32 = 0
  /// The samplings asked for, and when last.
  private var wishes: [UInt32: Instant] = [:]
  private(set) var refusal: String?
  private(set) var missed: UInt64 = 0
  /// The number of the first packet that is kept.
  private var first: UInt64 = 0
  private var packets: [TracedPacket] = []

  static let maximumKept = 4096
  static let maximumTold = 1024
  /// Without a request for so long it ends.
  static let patience = Interval.seconds(2)

  mutating func wish(_ every: UInt32, now: Instant) { wishes[every] = now }

  /// The finest sampling that somebody still asks for serves all; nil if nobody does. `isNew` if the fast path must be
  /// told.
  mutating func settle(now: Instant) -> (every: UInt32, isNew: Bool)? {
    wishes = wishes.filter { now.since($0.value) < Self.patience }
    guard let finest = wishes.keys.min() else { return nil }
    defer { every = finest }
    return (finest, finest != every)
  }

  mutating func take(_ news: TraceNews) {
    refusal = news.refusal ?? refusal
    missed = max(missed, news.missed)
    packets += news.packets
    let surplus = max(0, packets.count - Self.maximumKept)
    packets.removeFirst(surplus)
    first &+= UInt64(surplus)
  }

  /// Those from `cursor` on, thinned out to one in `every` where others look closer.
  func packets(after cursor: UInt64?, every: UInt32) -> (packets: [TracedPacket], next: UInt64, overrun: UInt64) {
    let end = first &+ UInt64(packets.count)
    guard let cursor, cursor <= end else { return ([], end, 0) }
    let start = max(cursor, first)
    let range = packets.indices[Int(start - first)...].prefix(Self.maximumTold)
    let told = range.filter { i in i == 0 || packets[i - 1].number / every != packets[i].number / every }
    return (told.map { packets[$0] }, start &+ UInt64(range.count), start - cursor)
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
    var trace = traces[id] ?? Trace()
    if let refusal = trace.refusal {
      traces[id] = nil
      return .refused(explain(refusal, id))
    }
    trace.wish(max(1, request.every), now: now)
    traces[id] = trace
    settle(id, now: now)
    return .traced(report(trace, request, now: now))
  }

  /// Tells the fast path what is asked for now.
  private mutating func settle(_ id: SourceID, now: Instant) {
    if let sampling = traces[id]?.settle(now: now) {
      if sampling.isNew { commands.append(.fastPath(.trace(id, every: sampling.every))) }
    } else if traces.removeValue(forKey: id) != nil {
      commands.append(.fastPath(.trace(id, every: 0)))
    }
  }

  private func report(_ trace: Trace, _ request: TraceRequest, now: Instant) -> TraceReport {
    let (packets, next, overrun) = trace.packets(after: request.after, every: max(1, request.every))
    var destinations: [SinkID: TracedSink] = [:]
    for id in Set(packets.flatMap(\.sinks)) {
      guard let sink = sinks[id]?.sink, let peer = peers[sink.transport] else { continue }
      destinations[id] = TracedSink(
        remote: peer.tuple.map { "\($0.remote)" } ?? "", name: participants[peer.participant]?.name ?? "",
        ssrc: sink.ssrc)
    }
    return TraceReport(
      source: request.source, next: next, missed: trace.missed, overrun: overrun, packets: packets,
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

  /// Ends what nobody asks for any more.
  mutating func settleTraces(now: Instant) {
    for id in Array(traces.keys) { settle(id, now: now) }
  }
}
