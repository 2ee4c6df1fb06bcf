import RTP
import SRTP
import Wire

// The way out: one copy for each sink, rewritten and sealed.
extension Forwarder {
  /// Writes up to `copies.count` further copies of the packet received last, complete and ready to send. Returns how many
  /// were written; 0 when all are done.
  public mutating func copy(into copies: UnsafeMutableBufferPointer<PacketCopy>) -> Int {
    let written = beginCopy(into: copies)
    finishCopies()
    return written
  }

  /// Like `copy(into:)`, but the copies may be incomplete until `finishCopies()`: several packets' copies sealed together
  /// cost less (AES-CM with HMAC-SHA1). Neither copies nor packets may be moved or reused before that.
  public mutating func beginCopy(into copies: UnsafeMutableBufferPointer<PacketCopy>) -> Int {
    guard packet.pointee.isActive else { return 0 }
    let sinkSlots = streams[packet.pointee.stream].pointee.sinks
    let sinkCount = streams[packet.pointee.stream].pointee.sinkCount
    var written = 0
    while written < copies.count, packet.pointee.nextSink < sinkCount {
      let slot = Int(sinkSlots[packet.pointee.nextSink])
      packet.pointee.nextSink &+= 1
      if write(sink: slot, to: &copies[written]) { written &+= 1 }
    }
    if packet.pointee.nextSink >= sinkCount { packet.pointee.isActive = false }
    return written
  }

  /// Completes every copy begun.
  @inline(__always)
  public mutating func finishCopies() { engine.flush() }

  /// False if this sink gets no copy; the reason is counted.
  @inline(__always)
  private mutating func write(sink slot: Int, to copy: inout PacketCopy) -> Bool {
    let sink = sinks[slot]
    guard !sink.pointee.isPaused else { return false }
    guard let payload = CopiedPayload.select(from: packet, for: sink) else { return refuse(.unwantedPayloadType) }
    let transport = transports[sink.pointee.transport]
    // The index is taken only when nothing but the library can fail any more.
    let header = CopiedHeader(packet: packet, sink: sink)
    guard header.lengthBound &+ payload.length &+ transport.pointee.outboundTagLength <= copy.capacity else {
      return refuse(.tooLarge)
    }
    guard let index = sink.pointee.numbering.number(packet.pointee.rank) else { return refuse(.beforeSink) }
    let headerLength = header.write(
      ssrc: sink.pointee.ssrc, payloadType: payload.payloadType, sequence: UInt16(truncatingIfNeeded: index),
      to: copy.packet)
    let text = place(payload, at: copy.packet + headerLength, for: sink)
    let length = transport.pointee.seal(
      copy.packet, headerLength: headerLength, payload: text, payloadLength: payload.length, ssrc: sink.pointee.ssrc,
      index: index, engine: &engine)
    guard length > 0 else { return refuse(.sealingFailed) }
    copy.length = length
    copy.payloadOctets = payload.length &- packet.pointee.layout.paddingLength
    copy.transport = sink.pointee.transport
    copy.sink = slot
    copy.askedAt = nil
    return true
  }

  @inline(__always)
  func refuse(_ verdict: ForwardingVerdict) -> Bool {
    verdicts.add(verdict)
    return false
  }

  /// Where the payload to be sealed lies: in the packet received, or, if it must be changed, already in the copy.
  @inline(__always)
  private func place(
    _ payload: CopiedPayload, at target: UnsafeMutableRawPointer, for sink: UnsafeMutablePointer<SinkSlot>
  ) -> UnsafeRawPointer {
    guard payload.rewritesBlocks else { return payload.start }
    target.copyMemory(from: payload.start, byteCount: payload.length)
    if let red = packet.pointee.red {
      CopiedPayload.rewriteBlockTypes(of: red, at: target, by: sink)
    }
    return UnsafeRawPointer(target)
  }
}
