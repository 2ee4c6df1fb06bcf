import RTP
import SRTP
import Wire

// The way in: from a UDP payload to a genuine packet in clear.
extension Forwarder {
  /// Takes one RTP packet (a UDP payload): authenticates it, refuses replays, decrypts it in place and counts it.
  ///
  /// Returns how many copies are to be made at most; 0 if the packet was dropped (under a verdict) or nobody wants it. The
  /// memory must stay as it is until `copy(into:)` has returned 0 or the next packet is received.
  ///
  /// `isIntact` is asked where nothing else tells of damage: on clear transports.
  public mutating func receive(
    _ datagram: UnsafeMutableRawBufferPointer, on tuple: FiveTuple, lane: Lane, now: Instant,
    isIntact: () -> Bool = { true }
  ) -> Int {
    packet.pointee.isActive = false
    guard let transport = findTransport(tuple) else { return drop(.unknownTuple) }
    guard !transports[transport].pointee.isClear || isIntact() else { return drop(.damaged) }
    guard let layout = RTPLayout.parseProtected(UnsafeRawBufferPointer(datagram)) else { return drop(.malformed) }
    let known = streamsBySSRC.find(streamKey(transport, layout.ssrc))
    if let known, lane == .socket, !streams[known].pointee.meter.admits(bytes: datagram.count, now: now) {
      streams[known].pointee.statistics.rateLimited &+= 1
      return drop(.rateLimited)
    }
    var index =
      if let known { streams[known].pointee.inbound.estimate(layout.sequence) } else { firstIndex(layout, transport) }
    if let known, !streams[known].pointee.inbound.accepts(index) {
      guard let restarted = restart(known, index, transport: transport) else {
        streams[known].pointee.statistics.replays &+= 1
        return drop(.replayed)
      }
      index = restarted
    }
    let isFirst = known.map { streams[$0].pointee.inbound.isEmpty } ?? true
    let length =
      isFirst
      ? openFirst(datagram, layout, transport: transport, index: &index)
      : open(datagram, layout, transport: transport, index: index)
    guard length > 0 else {
      if let known { streams[known].pointee.statistics.authenticationFailures &+= 1 }
      return drop(.authenticationFailed)
    }
    if known == nil, !transports[transport].pointee.newSSRCs.admits(limits.newSSRCs, now: now) {
      return drop(.ssrcRateLimited)
    }
    guard let stream = known ?? addStream(transport, ssrc: layout.ssrc, now: now) else { return drop(.tooManySSRCs) }
    let missing = streams[stream].pointee.record(index, now: now)
    if missing > 0 { noteMissing(missing, of: stream) }
    let clear = UnsafeMutableRawBufferPointer(start: datagram.baseAddress, count: length)
    guard packet.pointee.load(clear, layout: layout) else { return drop(.malformed) }
    packet.pointee.index = index
    packet.pointee.stream = stream
    return admit(transport: transport, bytes: datagram.count, lane: lane, now: now)
  }

  @inline(__always)
  private func drop(_ verdict: ForwardingVerdict) -> Int {
    verdicts.add(verdict)
    return 0
  }

  @inline(__always)
  func findTransport(_ tuple: FiveTuple) -> Int? {
    guard let slot = transportsByTuple.find(tuple.key(secret: secret)), transports[slot].pointee.tuple == tuple else {
      return nil
    }
    return slot
  }

  /// The index of an SSRC's first packet: its rollover counter is taken to be 0.
  @inline(__always)
  func firstIndex(_ layout: RTPLayout, _ transport: Int) -> UInt64 {
    UInt64(transports[transport].pointee.isClear ? StreamSlot.clearRollovers : 0) << 16 | UInt64(layout.sequence)
  }

  /// The index of a packet that is too old, if it shows that a sender of clear RTP began anew. Receivers of encrypted
  /// copies would not follow the jump: their numbers go on without a gap.
  private mutating func restart(_ stream: Int, _ index: UInt64, transport: Int) -> UInt64? {
    guard transports[transport].pointee.isClear, let restarted = streams[stream].pointee.restart(index) else {
      return nil
    }
    for i in 0..<streams[stream].pointee.sinkCount {
      let sink = sinks[streams[stream].pointee.sinks[i]]
      if !transports[sink.pointee.transport].pointee.isClear { sink.pointee.numbering.interrupt() }
    }
    return restarted
  }

  /// The octets of the packet in clear; 0 if it is not genuine.
  @inline(__always)
  private mutating func open(
    _ datagram: UnsafeMutableRawBufferPointer, _ layout: RTPLayout, transport: Int, index: UInt64
  ) -> Int {
    guard let base = datagram.baseAddress else { return 0 }
    return transports[transport].pointee.open(base, layout, length: datagram.count, index: index, engine: &engine)
  }

  /// As `open`, of an SSRC under which nothing genuine has come. Its rollover counter is a guess (RFC 3711 section 3.3.1): 1
  /// where 0 does not do, for a sender that began just below a rollover and whose packets before it were lost.
  private mutating func openFirst(
    _ datagram: UnsafeMutableRawBufferPointer, _ layout: RTPLayout, transport: Int, index: inout UInt64
  ) -> Int {
    guard !transports[transport].pointee.isClear, layout.sequence < 0x8000 else {
      return open(datagram, layout, transport: transport, index: index)
    }
    // What is not genuine may be garbage afterwards.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: datagram.count, alignment: 8)
    defer { copy.deallocate() }
    copy.copyMemory(from: UnsafeRawBufferPointer(datagram))
    let length = open(datagram, layout, transport: transport, index: index)
    guard length == 0 else { return length }
    datagram.copyMemory(from: UnsafeRawBufferPointer(copy))
    index += 1 << 16
    return open(datagram, layout, transport: transport, index: index)
  }

  /// Counts a genuine packet, and takes a retransmission as what it repeats.
  private mutating func admit(transport: Int, bytes: Int, lane: Lane, now: Instant) -> Int {
    noteTransportWideSequence(transport, now: now)
    let stream = packet.pointee.stream
    guard streams[stream].pointee.source != nil else { return reportUnknown(transport, now: now) }
    streams[stream].pointee.count(
      index: packet.pointee.index, timestamp: packet.pointee.layout.timestamp, bytes: bytes, lane: lane, now: now,
      isClear: transports[transport].pointee.isClear)
    streams[stream].pointee.statistics.payloadType = packet.pointee.layout.payloadType
    totals.received.add(lane, packets: 1, bytes: UInt64(truncatingIfNeeded: bytes))
    if streams[stream].pointee.repairs != nil, let verdict = restore(now: now) { return drop(verdict) }
    return offer(transport: transport, now: now)
  }

  /// Keeps a packet for who misses it, and finds who may want it now.
  @inline(__always)
  private mutating func offer(transport: Int, now: Instant) -> Int {
    let stream = packet.pointee.stream
    noteAudioLevel(transport, stream)
    if packet.pointee.payload.count == 0, !transports[transport].pointee.isClear { return skip(now: now) }
    packet.pointee.rank = streams[stream].pointee.skipped.rank(of: packet.pointee.index)
    if streams[stream].pointee.asksForMissing || streams[stream].pointee.cache.isKeeping {
      streams[stream].pointee.noteKeyFrame(packet)
    }
    if streams[stream].pointee.cache.isKeeping { keepPacket(now: now) }
    let wanted = streams[stream].pointee.activeSinks
    guard wanted > 0 else { return drop(.noSink) }
    readRED()
    packet.pointee.nextSink = 0
    packet.pointee.isActive = true
    verdicts.add(.accepted)
    return wanted
  }

  /// Leaves out a packet of padding alone. Only the newest one can go without a number; if packets after it have gone already,
  /// receivers will ask for its number, and get it with nothing in it.
  private mutating func skip(now: Instant) -> Int {
    let stream = packet.pointee.stream
    if packet.pointee.index == streams[stream].pointee.inbound.highest {
      streams[stream].pointee.skipped.skip(packet.pointee.index)
    } else if streams[stream].pointee.cache.isKeeping {
      keepPacket(now: now)
    }
    return drop(.padding)
  }

  /// Finds the blocks of the packet, if it is RED.
  @inline(__always)
  func readRED() {
    guard packet.pointee.layout.payloadType == streams[packet.pointee.stream].pointee.redPayloadType else { return }
    packet.pointee.red = REDLayout.parse(packet.pointee.payload)
  }

  @inline(__always)
  private mutating func noteTransportWideSequence(_ transport: Int, now: Instant) {
    let id = transports[transport].pointee.extensions.transportWide
    guard id != 0, let data = packet.element(id: id), data.count >= 2 else { return }
    noteArrival(data.bigEndianU16(at: 0), on: transport, now: now)
  }

  @inline(__always)
  private mutating func noteAudioLevel(_ transport: Int, _ stream: Int) {
    guard streams[stream].pointee.isAudio,
      let data = packet.element(id: transports[transport].pointee.extensions.audioLevel),
      let level = AudioLevel(data)
    else { return }
    streams[stream].pointee.statistics.audioLevels &+= 1
    streams[stream].pointee.statistics.audioPower &+= level.power
  }

  /// Tells the control plane of an SSRC without source, with whatever says whose it is (RFC 9143, RFC 8852).
  private mutating func reportUnknown(_ transport: Int, now: Instant) -> Int {
    let stream = packet.pointee.stream
    streams[stream].pointee.lastArrival = now
    if let last = streams[stream].pointee.lastReported, now.since(last) < PendingEvents.unknownSourceInterval {
      return drop(.unknownSSRC)
    }
    streams[stream].pointee.lastReported = now
    let unknown = UnknownSource(
      ssrc: packet.pointee.layout.ssrc, payloadType: packet.pointee.layout.payloadType,
      mid: text(transports[transport].pointee.extensions.mid),
      rid: text(transports[transport].pointee.extensions.rid),
      repairedRID: text(transports[transport].pointee.extensions.repairedRID))
    if !events.addUnknownSource(transports[transport].pointee.id, unknown) { verdicts.add(.droppedEvent) }
    return drop(.unknownSSRC)
  }

  private func text(_ id: UInt8) -> String? { packet.element(id: id).map { String(decoding: $0, as: UTF8.self) } }
}

extension TransportSlot {
  /// The octets of the packet in clear; 0 if it is not genuine.
  @inline(__always)
  func open(
    _ packet: UnsafeMutableRawPointer, _ layout: RTPLayout, length: Int, index: UInt64, engine: inout CryptographyEngine
  ) -> Int {
    switch opener {
    case .some(let opener):
      opener.open(
        packet, headerLength: layout.payloadOffset, length: length, ssrc: layout.ssrc, index: index, engine: &engine)
    case .none: length
    }
  }

  /// The octets of the sealed packet; 0 if the library refuses. On a clear transport the payload is only put in place.
  @inline(__always)
  func seal(
    _ packet: UnsafeMutableRawPointer, headerLength: Int, payload: UnsafeRawPointer, payloadLength: Int, ssrc: UInt32,
    index: UInt64, engine: inout CryptographyEngine
  ) -> Int {
    switch sealer {
    case .some(let sealer):
      return sealer.seal(
        packet, headerLength: headerLength, payload: payload, payloadLength: payloadLength, ssrc: ssrc, index: index,
        engine: &engine)
    case .none:
      let target = packet + headerLength
      if UnsafeRawPointer(target) != payload { target.copyMemory(from: payload, byteCount: payloadLength) }
      return headerLength &+ payloadLength
    }
  }
}
