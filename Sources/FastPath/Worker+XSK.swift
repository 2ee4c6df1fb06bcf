import Forwarding
import Wire

// The xsk lane.
extension Worker {
  /// Takes what waits at every AF_XDP socket.
  @inline(__always)
  mutating func receiveFromXSKs() {
    for slot in 0..<xsks.end where xsks.isUsed(slot) {
      xsks.sockets[slot].reclaim(into: &memory)
      receive(fromXSK: slot)
      if xsks.sockets[slot].hasUnsent { xsks.sockets[slot].submit() }
    }
  }

  /// Whether copies wait in a ring for the kernel to take them.
  @inline(__always)
  var hasUnsentFrames: Bool {
    for slot in 0..<xsks.end where xsks.isUsed(slot) && xsks.sockets[slot].hasUnsent { return true }
    return false
  }

  /// Batch by batch, what comes meanwhile included, up to so much that the other sockets get their turn.
  private mutating func receive(fromXSK slot: Int) {
    for _ in 0..<16 {
      let (first, count) = xsks.sockets[slot].peek(64)
      guard count > 0 else { return }
      carryOutCommands()
      let now = Instant.current()
      if forwarder.gainsFromAnnouncing { announce(first, count, slot) }
      var forwarded = 0
      for i in 0..<UInt32(truncatingIfNeeded: count) where receive(first &+ i, slot, now: now) { forwarded &+= 1 }
      forwarder.forgetAnnounced()
      finishBatch(packets: forwarded, since: now)
      giveBack(first, count, slot)
    }
  }

  private mutating func announce(_ first: UInt32, _ count: Int, _ slot: Int) {
    for i in 0..<UInt32(truncatingIfNeeded: count) {
      guard let (offset, length) = xsks.sockets[slot].received(first &+ i),
        let frame = ReceivedFrame(memory.base + offset, length: length)
      else { continue }
      forwarder.announce(frame.payload, on: frame.tuple)
    }
    forwarder.beginAnnounced()
  }

  /// One packet; true if copies of it were made.
  @inline(__always)
  private mutating func receive(_ position: UInt32, _ slot: Int, now: Instant) -> Bool {
    guard let (offset, length) = xsks.sockets[slot].received(position),
      let frame = ReceivedFrame(memory.base + offset, length: length)
    else {
      counters.malformedFrame &+= 1
      return false
    }
    // Closures, not `frame.isIntact`: a method as a value takes memory.
    let wanted =
      forwarder.isCapturing
      ? forwarder.receiveCapturing(frame.payload, on: frame.tuple, lane: .xsk, now: now, isIntact: { frame.isIntact() })
      : forwarder.receive(frame.payload, on: frame.tuple, lane: .xsk, now: now, isIntact: { frame.isIntact() })
    guard wanted > 0 else { return false }
    makeCopies(now: now)
    return true
  }

  /// The frames go back to where packets to come are written.
  @inline(__always)
  private mutating func giveBack(_ first: UInt32, _ count: Int, _ slot: Int) {
    var lent = 0
    for i in 0..<UInt32(truncatingIfNeeded: count) {
      guard let (offset, _) = xsks.sockets[slot].received(first &+ i) else { continue }
      if xsks.sockets[slot].lend(offset, from: &memory) { lent &+= 1 } else { memory.give(offset) }
    }
    xsks.sockets[slot].release(count)
    xsks.sockets[slot].submitLent(lent)
  }

  /// Places copy `i` into the send ring of the socket that its path names; false if there is no room. Its place in the
  /// batch gets another frame.
  @inline(__always)
  mutating func sendFrame(_ i: Int, by path: UnsafeMutablePointer<FramePath>) -> Bool {
    let slot = path.pointee.socket
    let copy = copies.copies + i
    FramePath.writeHeader(path, before: copy.pointee.packet, length: copy.pointee.length)
    let headerLength = path.pointee.headerLength
    let offset = copy.pointee.packet - headerLength - memory.base
    if !xsks.sockets[slot].prepare(offset, length: headerLength &+ copy.pointee.length) {
      guard makeRoom(slot), xsks.sockets[slot].prepare(offset, length: headerLength &+ copy.pointee.length) else {
        counters.fullRing &+= 1
        return false
      }
    }
    memory.lend(offset, to: xsks.sockets[slot].owner)
    return true
  }

  /// Has a full ring sent; false if nothing moves.
  private mutating func makeRoom(_ slot: Int) -> Bool {
    for _ in 0..<4 {
      xsks.sockets[slot].submit()
      xsks.sockets[slot].reclaim(into: &memory)
      if xsks.sockets[slot].hasRoom { return true }
    }
    return false
  }

  @inline(__always)
  mutating func submitXSKs() {
    for slot in 0..<xsks.end where xsks.isUsed(slot) {
      xsks.sockets[slot].submit()
      xsks.sockets[slot].reclaim(into: &memory)
    }
  }
}
