import RTP
import SRTP
import Wire

// What receivers miss: sent again from the cache, as RTX (RFC 4588). A packet index of media is sealed once, ever: what is sent
// again goes under its own SSRC and numbers.
extension Forwarder {
  // MARK: What a receiver asks for

  /// A receiver misses packets that the sink numbered so. Each is queued to be sent again, or there is a reason, which is
  /// counted.
  mutating func answer(_ id: SinkID, missing sequences: [UInt16], askedAt: Instant, now: Instant) {
    guard let slot = sinksByID[id] else { return verdicts.add(.ignoredCommand) }
    for i in sequences.indices {
      let outcome = answer(slot, missing: sequences[i], askedAt: askedAt, now: now)
      // Whoever asks for more than it was sent gets nothing more, whatever the rest may be.
      let isRefused = outcome == .tooMany
      let count = isRefused ? sequences.count - i : 1
      sinks[slot].pointee.statistics.repairs[outcome] &+= UInt64(count)
      repairCounts[outcome] &+= UInt64(count)
      if isRefused { return }
    }
  }

  private mutating func answer(_ slot: Int, missing sequence: UInt16, askedAt: Instant, now: Instant) -> RepairOutcome {
    let sink = sinks[slot]
    let stream = streams[sink.pointee.stream]
    guard let source = stream.pointee.source, let rank = sink.pointee.numbering.sourceIndex(ofSink: sequence),
      let index = stream.pointee.skipped.index(ofRank: rank)
    else { return .neverSent }
    guard sink.pointee.repairs.take(sent: sink.pointee.statistics.packets) else { return .tooMany }
    if stream.pointee.missing.contains(index), stream.pointee.inbound.accepts(index) { return .awaited }
    guard let retransmitter = sink.pointee.retransmitter.map({ retransmitters[$0] }) else {
      return replaceRepair(of: index, source, sink, now: now)
    }
    if let keyFrame = stream.pointee.keyFrame, index < keyFrame.index,
      sink.pointee.numbering.reaches(stream.pointee.skipped.rank(of: keyFrame.index))
    {
      return .superseded
    }
    guard let kept = stream.pointee.cache.find(index) else { return seek(index, source, stream) }
    let roundTrip = transports[sink.pointee.transport].pointee.roundTrip
    if let denial = retransmitter.pointee.history.denial(of: index, roundTrip: roundTrip, now: now) {
      if denial == .tooOften { events.addKeyFrameNeeded(source) }
      return denial
    }
    let sent = sink.pointee.statistics.bytes
    guard retransmitter.pointee.budget.take(kept.length, sent: sent, now: now) else { return .overBudget }
    retransmitter.pointee.history.sent(index, now: now)
    let repair = RepairQueue.Repair(
      slot: slot, sink: sink.pointee.id, index: index, sequence: sequence, askedAt: askedAt)
    if !repairQueue.push(repair) { verdicts.add(.lostRepair) }
    return .repaired
  }

  /// For a packet that is not kept: a sender of clear RTP is asked for it if it never came, else for a key frame.
  private mutating func seek(
    _ index: UInt64, _ source: SourceID, _ stream: UnsafeMutablePointer<StreamSlot>
  ) -> RepairOutcome {
    guard transports[stream.pointee.transport].pointee.isClear, stream.pointee.inbound.accepts(index) else {
      events.addKeyFrameNeeded(source)
      return .gone
    }
    events.addMissing(source, UInt16(truncatingIfNeeded: index))
    return .passedOn
  }

  /// For a receiver that takes no retransmissions: a sender of clear RTP is asked for the packet, another for a key frame.
  private mutating func replaceRepair(
    of index: UInt64, _ source: SourceID, _ sink: UnsafeMutablePointer<SinkSlot>, now: Instant
  ) -> RepairOutcome {
    if transports[streams[sink.pointee.stream].pointee.transport].pointee.isClear {
      events.addMissing(source, UInt16(truncatingIfNeeded: index))
      return .passedOn
    }
    if now >= sink.pointee.nextKeyFrame {
      sink.pointee.nextKeyFrame = now.advanced(by: Self.keyFrameSpacing)
      events.addKeyFrameNeeded(source)
    }
    return .notNegotiated
  }

  /// Key frames instead of repairs cost the whole room: no more of them for one receiver.
  private static let keyFrameSpacing = Interval.seconds(1)

  // MARK: What is sent again

  /// Whether anything waits to be sent again.
  @inline(__always)
  public var hasRepairs: Bool { !repairQueue.isEmpty }

  /// Like `beginCopy`, of packets to be sent again: writes up to `copies.count` of them, none of which may be sent before
  /// `finishCopies()`. Returns how many. To be called between packets received, when none is announced.
  public mutating func beginRepairs(into copies: UnsafeMutableBufferPointer<PacketCopy>) -> Int {
    packet.pointee.isActive = false
    var written = 0
    while written < copies.count, let repair = repairQueue.pop() {
      if write(repair, to: &copies[written]) { written &+= 1 } else { verdicts.add(.lostRepair) }
    }
    return written
  }

  /// False if the sink or the packet is gone.
  private mutating func write(_ repair: RepairQueue.Repair, to copy: inout PacketCopy) -> Bool {
    guard sinks.contains(repair.slot), sinks[repair.slot].pointee.id == repair.sink else { return false }
    let sink = sinks[repair.slot]
    guard let retransmitter = sink.pointee.retransmitter.map({ retransmitters[$0] }), load(repair, for: sink),
      let payload = CopiedPayload.select(from: packet, for: sink)
    else { return false }
    let transport = transports[sink.pointee.transport]
    let payloadType = retransmitter.pointee.payloadTypes[Int(payload.payloadType)]
    let header = CopiedHeader(packet: packet, sink: sink)
    let length = payload.length &+ MemoryLayout<UInt16>.size
    guard payloadType != SinkSlot.unmapped,
      header.lengthBound &+ length &+ transport.pointee.outboundTagLength <= copy.capacity
    else { return false }
    // From here on the index is used, whatever becomes of the packet.
    let index = retransmitter.pointee.takeIndex()
    guard index < PacketIndex.end else { return false }
    let headerLength = header.write(
      ssrc: retransmitter.pointee.ssrc, payloadType: payloadType, sequence: UInt16(truncatingIfNeeded: index),
      to: copy.packet)
    let text = copy.packet + headerLength
    write(payload, originalSequence: repair.sequence, to: text, for: sink)
    if isCapturing { keepClear(copy.packet, length: headerLength &+ length, on: sink.pointee.transport) }
    copy.length = transport.pointee.seal(
      copy.packet, headerLength: headerLength, payload: text, payloadLength: length, ssrc: retransmitter.pointee.ssrc,
      index: index, engine: &engine)
    copy.payloadOctets = 0
    copy.transport = sink.pointee.transport
    copy.sink = repair.slot
    copy.askedAt = repair.askedAt
    return copy.length > 0
  }

  /// Takes the packet from the cache to where copies are made from; padding, which repairs nothing, is left out.
  private mutating func load(_ repair: RepairQueue.Repair, for sink: UnsafeMutablePointer<SinkSlot>) -> Bool {
    let stream = streams[sink.pointee.stream]
    guard let kept = stream.pointee.cache.find(repair.index) else { return false }
    let memory = stream.pointee.cache.bytes(of: kept)
    guard let layout = RTPLayout.parseProtected(UnsafeRawBufferPointer(memory)),
      packet.pointee.load(memory, layout: layout)
    else { return false }
    packet.pointee.leavePaddingOut()
    packet.pointee.index = repair.index
    packet.pointee.stream = sink.pointee.stream
    readRED()
    return true
  }

  /// The payload of a retransmission: the original sequence number, and the original payload (RFC 4588 section 4).
  @inline(__always)
  private func write(
    _ payload: CopiedPayload, originalSequence: UInt16, to target: UnsafeMutableRawPointer,
    for sink: UnsafeMutablePointer<SinkSlot>
  ) {
    target.storeBytes(of: originalSequence.bigEndian, as: UInt16.self)
    (target + 2).copyMemory(from: payload.start, byteCount: payload.length)
    if payload.rewritesBlocks, let red = packet.pointee.red {
      CopiedPayload.rewriteBlockTypes(of: red, at: target + 2, by: sink)
    }
  }

  // MARK: Streams of retransmissions

  /// Makes ready to send packets to a sink again; nil if its receiver takes none, or its SSRC was used up.
  mutating func addRetransmitter(of sink: Sink, on transport: Int, _ stream: Int) -> Int? {
    guard let retransmission = sink.retransmission, !transports[transport].pointee.isClear else { return nil }
    guard
      let resumeIndex = transports[transport].pointee.sent.begin(
        retransmission.ssrc, remembering: limits.sentSSRCsPerTransport)
    else {
      verdicts.add(.refusedCommand)
      return nil
    }
    let firstIndex = resumeIndex > 0 ? resumeIndex : UInt64(sink.firstRetransmission)
    streams[stream].pointee.repairableSinks += 1
    if streams[stream].pointee.repairableSinks == 1 { openCache(of: stream) }
    return retransmitters.insert(Retransmitter(retransmission, firstIndex: firstIndex))
  }

  mutating func removeRetransmitter(_ slot: Int, of sink: SinkSlot) {
    let (ssrc, nextIndex) = (retransmitters[slot].pointee.ssrc, retransmitters[slot].pointee.nextIndex)
    transports[sink.transport].pointee.sent.end(ssrc, nextIndex: nextIndex)
    retransmitters.remove(slot)
    streams[sink.stream].pointee.repairableSinks -= 1
    if streams[sink.stream].pointee.repairableSinks == 0 { closeCache(of: sink.stream) }
  }
}
