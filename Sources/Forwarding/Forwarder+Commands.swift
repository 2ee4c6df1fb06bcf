import SRTP
import Wire

// What the control plane asks for. None of this happens while a packet is being copied.
extension Forwarder {
  /// Carries out one command. A command that names something unknown is counted and ignored; one that would pass a limit
  /// is counted and refused.
  public mutating func apply(_ command: FastPathCommand, now: Instant) {
    packet.pointee.isActive = false
    // Copies begun may still need keys that the command takes away.
    finishCopies()
    forgetAnnounced()
    switch command {
    case .expect(let id, let expectation): expectations.expect(expectation, of: id)
    case .addTransport(let transport): add(transport)
    case .moveTransport(let id, let tuple): move(id, to: tuple)
    case .readExtensions(let id, let extensions): read(extensions, of: id)
    case .removeTransport(let id): removeTransport(id)
    case .addSource(let source): add(source, now: now)
    case .removeSource(let id): removeSource(id)
    case .addSink(let sink): add(sink)
    case .pauseSink(let id, let isPaused): pause(id, isPaused)
    case .removeSink(let id): removeSink(id)
    case .retransmit(let id, let sequences): reportMissing(id, sequences)
    case .capture(let id, let command): capture(id, command)
    // The programs' affair.
    case .trace: break
    }
  }

  // MARK: Transports

  private mutating func add(_ transport: Transport) {
    guard transportsByID[transport.id] == nil, transports.count < limits.transports,
      let entry = TransportSlot(transport, engine: engine)
    else { return verdicts.add(.refusedCommand) }
    let slot = transports.insert(entry)
    transportsByID[transport.id] = slot
    if transports[slot].pointee.gainsFromAnnouncing { announceableTransports += 1 }
    transportsByTuple.set(transport.tuple.key(secret: secret), slot)
  }

  /// The newest owner of a 5-tuple has it: an earlier one is about to be removed.
  private mutating func move(_ id: TransportID, to tuple: FiveTuple) {
    guard let slot = transportsByID[id] else { return verdicts.add(.ignoredCommand) }
    forgetTuple(ofTransport: slot)
    transports[slot].pointee.tuple = tuple
    transportsByTuple.set(tuple.key(secret: secret), slot)
  }

  private mutating func read(_ extensions: ReadExtensions, of id: TransportID) {
    guard let slot = transportsByID[id] else { return verdicts.add(.ignoredCommand) }
    transports[slot].pointee.extensions = extensions
  }

  private mutating func removeTransport(_ id: TransportID) {
    guard let slot = transportsByID.removeValue(forKey: id) else { return verdicts.add(.ignoredCommand) }
    for sink in transports[slot].pointee.sinks { removeSink(at: sink) }
    for stream in transports[slot].pointee.streams { removeStream(at: stream) }
    forgetTuple(ofTransport: slot)
    events.forget(transport: slot)
    if transports[slot].pointee.gainsFromAnnouncing { announceableTransports -= 1 }
    transports.remove(slot)
  }

  private mutating func forgetTuple(ofTransport slot: Int) {
    let key = transports[slot].pointee.tuple.key(secret: secret)
    if transportsByTuple.find(key) == slot { transportsByTuple.remove(key) }
  }

  // MARK: Sources

  private mutating func add(_ source: Source, now: Instant) {
    guard let transport = transportsByID[source.transport] else { return verdicts.add(.ignoredCommand) }
    guard streamsByID[source.id] == nil else { return verdicts.add(.refusedCommand) }
    let known = streamsBySSRC.find(streamKey(transport, source.ssrc))
    guard let slot = known ?? addStream(transport, ssrc: source.ssrc, now: now),
      streams[slot].pointee.source == nil
    else { return verdicts.add(.refusedCommand) }
    streams[slot].pointee.become(source)
    streamsByID[source.id] = slot
  }

  /// The source goes with its sinks. What is known of its SSRC stays as long as the transport, lest old packets pass as new.
  private mutating func removeSource(_ id: SourceID) {
    guard let slot = streamsByID[id] else { return verdicts.add(.ignoredCommand) }
    release(stream: slot)
  }

  private mutating func release(stream slot: Int) {
    while streams[slot].pointee.sinkCount > 0 { removeSink(at: Int(streams[slot].pointee.sinks[0])) }
    if let id = streams[slot].pointee.source { streamsByID[id] = nil }
    streams[slot].pointee.source = nil
  }

  @inline(__always)
  func streamKey(_ transport: Int, _ ssrc: UInt32) -> UInt64 {
    UInt64(truncatingIfNeeded: transport) << 32 | UInt64(ssrc)
  }

  /// A place for an SSRC not heard before; nil if the transport has too many and all are in use.
  mutating func addStream(_ transport: Int, ssrc: UInt32, now: Instant) -> Int? {
    if transports[transport].pointee.streams.count >= limits.streamsPerTransport {
      guard evictStream(of: transport) else { return nil }
    }
    var entry = StreamSlot(transport: transport, ssrc: ssrc, isClear: transports[transport].pointee.isClear)
    entry.lastArrival = now
    let slot = streams.insert(entry)
    transports[transport].pointee.streams.append(slot)
    streamsBySSRC.set(streamKey(transport, ssrc), slot)
    return slot
  }

  /// Forgets the SSRC without source that has been silent longest.
  private mutating func evictStream(of transport: Int) -> Bool {
    var oldest: Int?
    for slot in transports[transport].pointee.streams where streams[slot].pointee.source == nil {
      if let other = oldest, streams[other].pointee.lastArrival <= streams[slot].pointee.lastArrival { continue }
      oldest = slot
    }
    guard let oldest else { return false }
    transports[transport].pointee.streams.removeAll { $0 == oldest }
    removeStream(at: oldest)
    return true
  }

  private mutating func removeStream(at slot: Int) {
    release(stream: slot)
    streamsBySSRC.remove(streamKey(streams[slot].pointee.transport, streams[slot].pointee.ssrc))
    streams.remove(slot)
  }

  // MARK: Sinks

  private mutating func add(_ sink: Sink) {
    guard let stream = streamsByID[sink.source], let transport = transportsByID[sink.transport] else {
      return verdicts.add(.ignoredCommand)
    }
    guard sinksByID[sink.id] == nil, sinks.count < limits.sinks,
      let resumeIndex = transports[transport].pointee.sent.begin(
        sink.ssrc, remembering: limits.sentSSRCsPerTransport)
    else { return verdicts.add(.refusedCommand) }
    let numbering = SinkNumbering(
      sequenceOffset: sink.sequenceOffset, isClear: transports[transport].pointee.isClear, resumeIndex: resumeIndex)
    let slot = sinks.insert(SinkSlot(sink, stream: stream, transport: transport, numbering: numbering))
    sinksByID[sink.id] = slot
    transports[transport].pointee.sinks.append(slot)
    streams[stream].pointee.addSink(slot)
    if !sink.isPaused { streams[stream].pointee.activeSinks += 1 }
    if let repaired = sink.repairs { connect(repairer: slot, to: repaired) }
    if let repairer = waitingRepairers.removeValue(forKey: sink.id) { connect(repairer: repairer, to: sink.id) }
  }

  private mutating func connect(repairer: Int, to id: SinkID) {
    guard let repaired = sinksByID[id] else {
      waitingRepairers[id] = repairer
      return
    }
    sinks[repairer].pointee.repaired = repaired
    sinks[repaired].pointee.repairer = repairer
  }

  private mutating func pause(_ id: SinkID, _ isPaused: Bool) {
    guard let slot = sinksByID[id] else { return verdicts.add(.ignoredCommand) }
    guard sinks[slot].pointee.isPaused != isPaused else { return }
    sinks[slot].pointee.isPaused = isPaused
    if isPaused { sinks[slot].pointee.numbering.interrupt() }
    streams[sinks[slot].pointee.stream].pointee.activeSinks += isPaused ? -1 : 1
  }

  private mutating func removeSink(_ id: SinkID) {
    guard let slot = sinksByID[id] else { return verdicts.add(.ignoredCommand) }
    removeSink(at: slot)
  }

  private mutating func removeSink(at slot: Int) {
    let sink = sinks[slot].pointee
    sinksByID[sink.id] = nil
    if let repaired = sink.repaired { sinks[repaired].pointee.repairer = nil }
    if let repairer = sink.repairer { sinks[repairer].pointee.repaired = nil }
    waitingRepairers = waitingRepairers.filter { $0.value != slot }
    streams[sink.stream].pointee.removeSink(slot)
    if !sink.isPaused { streams[sink.stream].pointee.activeSinks -= 1 }
    transports[sink.transport].pointee.sinks.removeAll { $0 == slot }
    if transports[sink.transport].pointee.isClear {
      transports[sink.transport].pointee.sent.forget(sink.ssrc)
    } else {
      transports[sink.transport].pointee.sent.end(sink.ssrc, nextIndex: sink.numbering.nextIndex)
    }
    sinks.remove(slot)
  }

  /// There is no packet cache yet: what a subscriber misses is asked of the publisher.
  private mutating func reportMissing(_ id: SinkID, _ sequences: [UInt16]) {
    guard let slot = sinksByID[id], let source = streams[sinks[slot].pointee.stream].pointee.source else {
      return verdicts.add(.ignoredCommand)
    }
    let sink = sinks[slot]
    for sequence in sequences {
      guard let original = sink.pointee.numbering.sourceSequence(ofSink: sequence) else { continue }
      guard sink.pointee.repairs.take(sent: sink.pointee.statistics.packets) else {
        return verdicts.add(.refusedRepair)
      }
      events.addMissing(source, original)
    }
  }
}
