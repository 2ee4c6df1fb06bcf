import Forwarding
import Glibc
import Wire

// The socket lane.
extension Worker {
  /// Takes what waits at a UDP socket, `batch` datagrams at once, until the turn is over. Datagrams read cannot be put
  /// back, so how many to read follows from how many copies the last ones had: returns how many are right the next time.
  mutating func receive(_ batch: Int, from socket: CInt) -> Int {
    guard socket >= 0 else { return batch }
    let end = Instant.current().advanced(by: Self.turn)
    var batch = batch
    while true {
      let count = received.receive(batch, from: socket)
      guard count > 0 else { return batch }
      carryOutCommands()
      let now = Instant.current()
      let copies = process(count, now: now)
      let isFull = count == batch
      if copies > Self.copiesPerBatch {
        batch = max(1, batch / 2)
      } else if isFull {
        batch = min(batch * 2, ReceiveBatch.capacity)
      }
      guard isFull, now < end else { return batch }
    }
  }

  /// Returns how many copies were made at most.
  private mutating func process(_ count: Int, now: Instant) -> Int {
    let isCapturing = forwarder.isCapturing
    if forwarder.gainsFromAnnouncing { announce(count) }
    var (forwarded, copies) = (0, 0)
    for i in 0..<count {
      guard let payload = received.payload(i), let tuple = received.tuple(i, port: setup.sockets.port) else {
        counters.truncated &+= 1
        continue
      }
      if DatagramClass.isRTP(payload) {
        let wanted =
          isCapturing
          ? forwarder.receiveCapturing(payload, on: tuple, lane: .socket, now: now)
          : forwarder.receive(payload, on: tuple, lane: .socket, now: now)
        if wanted > 0 {
          forwarded &+= 1
          copies &+= wanted
          makeCopies(now: now)
        }
      } else if payload.count > 0, forwarder.admitsControl(UnsafeRawBufferPointer(payload), on: tuple, now: now) {
        events.append(.datagram(bytes: Array(payload), tuple: tuple, receivedAt: now))
      }
    }
    forwarder.forgetAnnounced()
    finishBatch(packets: forwarded, since: now)
    return copies
  }

  private mutating func announce(_ count: Int) {
    for i in 0..<count {
      guard let payload = received.payload(i), DatagramClass.isRTP(payload),
        let tuple = received.tuple(i, port: setup.sockets.port)
      else { continue }
      forwarder.announce(payload, on: tuple)
    }
    forwarder.beginAnnounced()
  }

  /// Copies the packet received last, for every sink.
  @inline(__always)
  mutating func makeCopies(now: Instant) {
    while true {
      if copies.rest.count == 0 { flush(now: now) }
      let rest = copies.rest
      guard rest.count > 0 else {
        counters.withoutFrame &+= 1
        return
      }
      let written = forwarder.beginCopy(into: rest)
      if forwarder.isCapturing { forwarder.keepClear(rest, count: written) }
      copies.add(written)
      guard written == rest.count else { return }
    }
  }

  /// Sends every copy made and notes how long it took.
  @inline(__always)
  mutating func finishBatch(packets: Int, since start: Instant) {
    guard packets > 0 else { return }
    flush(now: start)
    times.add(Instant.current().since(start), count: packets)
  }

  /// Completes and sends the copies begun.
  mutating func flush(now: Instant) {
    guard copies.count > 0 else { return copies.restart(with: &memory) }
    forwarder.finishCopies()
    let now = forwarder.isCapturing ? Instant.current() : now
    for i in 0..<copies.count {
      let copy = copies.copies[i]
      let frames = paths.frames + copy.transport
      if copy.length <= frames.pointee.maximumPayload {
        let isSent = sendFrame(i, by: frames)
        forwarder.account(copy, sentOn: isSent ? .xsk : nil, now: now)
        if isSent { copies.takeFrame(of: i) }
      } else {
        addToSocketBatch(i, copy)
      }
    }
    submitXSKs()
    sendSocketBatches(now: now)
    copies.restart(with: &memory)
  }

  @inline(__always)
  private mutating func addToSocketBatch(_ i: Int, _ copy: PacketCopy) {
    let path = paths.sockets + copy.transport
    if path.pointee.isV6 {
      sendV6.add(copy: i, packet: copy.packet, length: copy.length, path: path)
    } else {
      sendV4.add(copy: i, packet: copy.packet, length: copy.length, path: path)
    }
  }

  @inline(__always)
  private mutating func sendSocketBatches(now: Instant) {
    if sendV4.count > 0 {
      sendV4.send { copy, isSent in
        forwarder.account(copies.copies[copy], sentOn: isSent ? .socket : nil, now: now)
      }
    }
    if sendV6.count > 0 {
      sendV6.send { copy, isSent in
        forwarder.account(copies.copies[copy], sentOn: isSent ? .socket : nil, now: now)
      }
    }
  }
}

/// What a datagram is, by its first two bytes (RFC 7983, RFC 5761).
enum DatagramClass {
  @inline(__always)
  static func isRTP(_ datagram: UnsafeMutableRawBufferPointer) -> Bool {
    guard datagram.count >= 12 else { return false }
    return datagram[0] & 0xc0 == 0x80 && !(64...95).contains(datagram[1] & 0x7f)
  }
}
