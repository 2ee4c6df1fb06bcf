import Forwarding
import Wire

// The xsk lane.
extension Worker {
  /// Takes what waits at the AF_XDP sockets, what comes meanwhile included, a batch of each in turn, until the turn is
  /// over. The next turn goes on after the socket that this one ended with.
  @inline(__always)
  mutating func receiveFromXSKs() {
    guard xsks.end > 0 else { return }
    submitXSKs()
    let end = Instant.current().advanced(by: Self.turn)
    var empty = 0
    while empty < xsks.end {
      lastXSK = lastXSK &+ 1 < xsks.end ? lastXSK &+ 1 : 0
      guard xsks.isUsed(lastXSK), let begun = receiveBatch(fromXSK: lastXSK) else {
        empty &+= 1
        continue
      }
      guard begun < end else { return }
      empty = 0
    }
  }

  /// Whether copies wait in a ring for the kernel to take them.
  @inline(__always)
  var hasUnsentFrames: Bool {
    for slot in 0..<xsks.end where xsks.isUsed(slot) && xsks.sockets[slot].hasUnsent { return true }
    return false
  }

  /// Up to 64 packets, fewer where they have very many copies. Returns when it began; nil if no packet waits.
  private mutating func receiveBatch(fromXSK slot: Int) -> Instant? {
    let (first, found) = xsks.sockets[slot].peek(64)
    guard found > 0 else { return nil }
    carryOutCommands()
    let now = Instant.current()
    if forwarder.gainsFromAnnouncing { announce(first, found, slot) }
    var (count, forwarded, wanted) = (0, 0, 0)
    while count < found, wanted < Self.copiesPerBatch {
      let copies = receive(first &+ UInt32(truncatingIfNeeded: count), slot, now: now)
      if copies > 0 { forwarded &+= 1 }
      wanted &+= copies
      count &+= 1
    }
    forwarder.forgetAnnounced()
    finishBatch(packets: forwarded, since: now)
    giveBack(first, count, slot)
    xsks.sockets[slot].putBack(found &- count)
    return now
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

  /// One packet. Returns how many copies of it are made at most.
  @inline(__always)
  private mutating func receive(_ position: UInt32, _ slot: Int, now: Instant) -> Int {
    guard let (offset, length) = xsks.sockets[slot].received(position),
      let frame = ReceivedFrame(memory.base + offset, length: length)
    else {
      counters.malformedFrame &+= 1
      return 0
    }
    // Closures, not `frame.isIntact`: a method as a value takes memory.
    let wanted =
      forwarder.isCapturing
      ? forwarder.receiveCapturing(frame.payload, on: frame.tuple, lane: .xsk, now: now, isIntact: { frame.isIntact() })
      : forwarder.receive(frame.payload, on: frame.tuple, lane: .xsk, now: now, isIntact: { frame.isIntact() })
    if wanted > 0 { makeCopies(now: now) }
    return wanted
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
