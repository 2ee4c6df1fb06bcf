import SRTP
import Wire

// Captures: what arrives and what leaves, recorded beside the packet's way. While there is none, nothing here is called.
extension Forwarder {
  // MARK: Commands

  mutating func capture(_ id: CaptureID, _ command: CaptureCommand) {
    switch command {
    case .begin(let isDecrypted, let capacity): beginCapture(id, isDecrypted: isDecrypted, capacity: capacity)
    case .include(let transport):
      guard let capture = capturePlace(id), let slot = transportsByID[transport] else {
        return verdicts.add(.ignoredCommand)
      }
      transports[slot].pointee.captures |= 1 << UInt8(capture)
    case .collect:
      guard let capture = capturePlace(id) else { return verdicts.add(.ignoredCommand) }
      captures[capture]?.isCollected = true
    case .end:
      guard let capture = capturePlace(id) else { return verdicts.add(.ignoredCommand) }
      captures[capture]?.isEnding = true
      for slot in transports.slots { transports[slot].pointee.captures &= ~(1 << UInt8(capture)) }
    }
  }

  private mutating func beginCapture(_ id: CaptureID, isDecrypted: Bool, capacity: Int) {
    guard capturePlace(id) == nil, capacity > 0, let free = captures.indices.first(where: { captures[$0] == nil })
    else {
      return verdicts.add(.refusedCommand)
    }
    captures[free] = CaptureBuffer(id, isDecrypted: isDecrypted, capacity: capacity)
    clearCopies.reserve()
    isCapturing = true
  }

  private func capturePlace(_ id: CaptureID) -> Int? { captures.firstIndex { $0?.id == id } }

  /// The records that the control plane asked for, and the last ones of captures that ended.
  public mutating func takeCaptured(now: Instant) -> [FastPathEvent] {
    guard isCapturing else { return [] }
    var events: [FastPathEvent] = []
    for i in captures.indices {
      guard let capture = captures[i], capture.isCollected || capture.isEnding,
        var record = captures[i]?.take()
      else { continue }
      record.until = now
      record.isLast = capture.isEnding
      events.append(.captured(capture.id, record))
      if capture.isEnding { captures[i] = nil }
    }
    isCapturing = captures.contains { $0 != nil }
    if !isCapturing { clearCopies.forgetAll() }
    return events
  }

  // MARK: Packets

  /// Like `receive`, to be called instead while something is captured.
  public mutating func receiveCapturing(
    _ datagram: UnsafeMutableRawBufferPointer, on tuple: FiveTuple, lane: Lane, now: Instant,
    isIntact: () -> Bool = { true }
  ) -> Int {
    guard let transport = findTransport(tuple), transports[transport].pointee.captures != 0 else {
      return receive(datagram, on: tuple, lane: lane, now: now, isIntact: isIntact)
    }
    // It is decrypted in place.
    arrival.removeAll(keepingCapacity: true)
    arrival.append(contentsOf: UnsafeRawBufferPointer(datagram))
    clearArrival.removeAll(keepingCapacity: true)
    packet.pointee.memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    let wanted = receive(datagram, on: tuple, lane: lane, now: now, isIntact: isIntact)
    let isGenuine = packet.pointee.memory.baseAddress != nil
    if isGenuine, clearArrival.isEmpty { keepArrival() }
    let record = CapturedPacket(
      at: now, direction: .arrived, transport: transports[transport].pointee.id, tuple: tuple,
      source: arrivedSource(on: transport), lane: lane, isGenuine: isGenuine)
    for i in captures.indices where transports[transport].pointee.captures & 1 << UInt8(i) != 0 {
      if captures[i]?.isDecrypted == false {
        captures[i]?.add(record, arrival)
      } else if isGenuine {
        captures[i]?.add(record, clearArrival)
      }
    }
    return wanted
  }

  /// Keeps the packet received last in clear, as it arrived.
  mutating func keepArrival() {
    clearArrival.removeAll(keepingCapacity: true)
    clearArrival.append(contentsOf: UnsafeRawBufferPointer(packet.pointee.memory))
  }

  private func arrivedSource(on transport: Int) -> SourceID? {
    guard arrival.count >= 12 else { return nil }
    let ssrc = arrival[8..<12].reduce(0) { $0 << 8 | UInt32($1) }
    return streamsBySSRC.find(streamKey(transport, ssrc)).flatMap { streams[$0].pointee.source }
  }

  /// To be called while something is captured, after `beginCopy` wrote `count` copies: keeps them in clear where a
  /// capture asks for that.
  public mutating func keepClear(_ copies: UnsafeMutableBufferPointer<PacketCopy>, count: Int) {
    for copy in copies.prefix(count) {
      let transport = transports[copy.transport]
      guard !transport.pointee.isClear, isDecrypted(transport.pointee.captures) else { continue }
      let sink = sinks[copy.sink]
      guard let payload = CopiedPayload.select(from: packet, for: sink) else { continue }
      let headerLength = copy.length &- transport.pointee.outboundTagLength &- payload.length
      guard headerLength >= 12 else { continue }
      clearCopies.forgetTaken()
      let range = clearCopies.add(copy.packet, headerLength: headerLength, payload: payload)
      if payload.rewritesBlocks, let red = packet.pointee.red {
        clearCopies.change(range) { CopiedPayload.rewriteBlockTypes(of: red, at: $0, by: sink) }
      }
    }
  }

  /// Keeps a retransmission that is about to be sealed, where a capture asks for that.
  mutating func keepClear(_ packet: UnsafeRawPointer, length: Int, on slot: Int) {
    guard !transports[slot].pointee.isClear, isDecrypted(transports[slot].pointee.captures) else { return }
    clearCopies.forgetTaken()
    clearCopies.add(packet, length: length)
  }

  private func isDecrypted(_ mask: UInt8) -> Bool {
    captures.indices.contains { mask & 1 << UInt8($0) != 0 && captures[$0]?.isDecrypted == true }
  }

  /// A copy that was sent, or not (nil).
  mutating func captureCopy(_ copy: PacketCopy, sentOn lane: Lane?, now: Instant) {
    let clear = clearCopies.take(copy.packet)
    let transport = transports[copy.transport]
    guard let lane, transport.pointee.captures != 0 else { return }
    let sink = sinks[copy.sink]
    let record = CapturedPacket(
      at: now, direction: .left, transport: transport.pointee.id, tuple: transport.pointee.tuple,
      source: streams[sink.pointee.stream].pointee.source, sink: sink.pointee.id, lane: lane)
    for i in captures.indices where transport.pointee.captures & 1 << UInt8(i) != 0 {
      if captures[i]?.isDecrypted == false || transport.pointee.isClear {
        captures[i]?.add(record, UnsafeRawBufferPointer(start: copy.packet, count: copy.length))
      } else if let clear {
        captures[i]?.add(record, clearCopies.bytes[clear])
      }
    }
  }
}
