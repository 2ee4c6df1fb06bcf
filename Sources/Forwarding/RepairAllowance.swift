/// How many packets one receiver may still ask for again: as many as it was sent, and what it leaves adds up to no more than
/// can be repaired. Enough for every other packet lost and asked for twice; without it, one receiver that keeps asking
/// for everything would have the publisher send all day at many times its rate.
struct RepairAllowance {
  private var left: UInt64 = 0
  private var sent: UInt64 = 0

  /// Takes one; false if none is left. `sent`: the packets that the receiver was sent so far.
  mutating func take(sent: UInt64) -> Bool {
    left = min(left &+ (sent &- self.sent), SinkNumbering.repairable)
    self.sent = sent
    guard left > 0 else { return false }
    left -= 1
    return true
  }
}
