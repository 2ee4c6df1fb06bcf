import CFastPathABI
import Forwarding
import Wire

// Looking at single packets: what the programs tell of traced sources.
extension Worker {
  private static let traceInterval = Interval.milliseconds(20)

  mutating func trace(_ id: SourceID, every: UInt32) {
    if every == 0 {
      xskLane?.endTrace(id)
    } else if let refusal = beginTrace(id, every: every) {
      var news = TraceNews(source: id)
      news.refusal = refusal
      events.append(.traced([news]))
    }
  }

  /// Why not; nil if it began.
  private mutating func beginTrace(_ id: SourceID, every: UInt32) -> String? {
    guard xskLane != nil else { return socketLaneReason }
    guard let transport = sources[id], let tuple = transports[transport] else { return "the source is gone" }
    return xskLane?.beginTrace(id, every: every, arrivesOn: tuple)
  }

  mutating func takeTraced(now: Instant) {
    guard xskLane?.tracer?.traced.isEmpty == false, now >= traceDue else { return }
    traceDue = now.advanced(by: Self.traceInterval)
    xskLane?.endTracesOfRemovedSources()
    guard let (told, missed) = xskLane?.tracer?.take(), !told.isEmpty || !missed.isEmpty else { return }
    var news: [SourceID: TraceNews] = [:]
    for event in told {
      let id = SourceID(rawValue: event.source)
      news[id, default: TraceNews(source: id)].packets.append(packet(event, of: id))
    }
    for (id, count) in missed { news[id, default: TraceNews(source: id)].missed = count }
    events.append(.traced(news.values.sorted { $0.source.rawValue < $1.source.rawValue }))
  }

  private func packet(_ event: fp_trace_event, of id: SourceID) -> TracedPacket {
    var packet = TracedPacket(event)
    packet.interface = xskLane?.interfaceName(event.interface) ?? ""
    var sinks: [SinkID] = []
    switch fp_verdict(UInt32(event.verdict)) {
    case FP_VERDICT_tx, FP_VERDICT_broadcast:
      sinks = xskLane?.sinks(of: id, event) ?? []
    case FP_VERDICT_redirect_xsk, FP_VERDICT_pass_source, FP_VERDICT_pass_no_xsk, FP_VERDICT_pass_oversize:
      sinks = forwarder.sinks(of: id, takingPayloadType: event.payload_type)
    default: break
    }
    packet.sinkCount = sinks.count
    packet.sinks = Array(sinks.prefix(TracedPacket.maximumSinks))
    return packet
  }
}

extension XSKLane {
  /// Why the programs cannot tell of the source's packets, which come on `tuple`; nil if they do from now on.
  mutating func beginTrace(_ id: SourceID, every: UInt32, arrivesOn tuple: FiveTuple) -> String? {
    guard routes.contains(id) else { return "the source is gone" }
    guard let tracer else { return "this kernel has no BPF ring buffer (Linux 5.8)" }
    if let reason = reasonAgainstTracing(tuple) { return reason }
    guard let place = tracer.begin(id, every: every) else {
      return "\(FP_MAX_TRACES.rawValue) sources are being traced, and no more can be"
    }
    if routes.trace(id, UInt16(place + 1), in: interfaces.program) { return nil }
    tracer.end(id)
    return "the XDP program's table of sources is full"
  }

  /// No program is where the packets come by.
  private func reasonAgainstTracing(_ tuple: FiveTuple) -> String? {
    guard case .neighbour(_, let index, _)? = hops.hop(tuple), let link = links[index] else {
      return interfaces.attachedIndices.isEmpty ? "no interface has the XDP program" : nil
    }
    let carrier = link.vlan.flatMap { links[$0.parent] } ?? link
    return interfaces.attachedIndices.contains(carrier.index) ? nil : interfaces.reason(carrier)
  }

  mutating func endTrace(_ id: SourceID) {
    guard tracer?.traced[id] != nil else { return }
    _ = routes.trace(id, 0, in: interfaces.program)
    tracer?.end(id)
  }

  mutating func endTracesOfRemovedSources() {
    let ids = Array(tracer?.traced.keys ?? [:].keys)
    for id in ids where !routes.contains(id) { tracer?.end(id) }
  }

  func interfaceName(_ index: UInt32) -> String { links[index]?.name ?? "interface \(index)" }

  /// The sinks that the kernel sent a packet to.
  func sinks(of id: SourceID, _ event: fp_trace_event) -> [SinkID] {
    let copies = kernel?.copies(of: id, from: Int(event.first_sink)) ?? []
    let type = Int(event.payload_type & 0x7f)
    return copies.compactMap { $0.sink.payloadTypes[type] == UInt8(FP_UNMAPPED) ? nil : $0.sink.id }
  }
}

extension TracedPacket {
  /// Without what the event does not know: the interface's name and the sinks.
  init(_ event: fp_trace_event) {
    self.init(tuple: FiveTuple(event.key.tuple))
    at = Instant(nanoseconds: event.time)
    number = event.number
    program = UInt32(event.program) == FP_PROGRAM_TC.rawValue ? .tc : .xdp
    verdict = fp_verdict_name(UInt32(event.verdict)).map { String(String(cString: $0).dropFirst(4)) } ?? ""
    ssrc = UInt32(bigEndian: event.key.ssrc)
    (sequence, timestamp) = (event.sequence, event.timestamp)
    (payloadType, marker, length) = (event.payload_type, event.marker != 0, Int(event.length))
  }
}

extension FiveTuple {
  init(_ tuple: fp_tuple) {
    self.init(
      local: SocketAddress(IPAddress(tuple.local), UInt16(bigEndian: tuple.local_port)),
      remote: SocketAddress(IPAddress(tuple.remote), UInt16(bigEndian: tuple.remote_port)))
  }
}

extension IPAddress {
  init(_ address: fp_address) {
    let bytes = withUnsafeBytes(of: address) { Array($0) }
    let isV4 = bytes[..<12].elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
    self = IPAddress(bytes: isV4 ? Array(bytes[12...]) : bytes) ?? .v4(0)
  }
}
