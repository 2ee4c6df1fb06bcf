/// An interface statistics block, the last of its interface (draft-ietf-opsawg-pcapng section 4.6).
///
///     |                   Block Type = 0x00000005                     |
///     |                      Block Total Length                       |
///     |                         Interface ID                          |
///     |                        Timestamp (High)                       |
///     |                        Timestamp (Low)                        |
///     /                      Options (variable)                       /
///     |                      Block Total Length                       |
public struct InterfaceStatistics: Hashable, Sendable {
  public var interface: UInt32
  /// Nanoseconds since 1970.
  public var time: UInt64
  /// Packets that there were, those not captured included.
  public var received: UInt64
  /// Packets that were not captured for want of room.
  public var dropped: UInt64

  public init(interface: UInt32, time: UInt64, received: UInt64, dropped: UInt64) {
    self.interface = interface
    self.time = time
    self.received = received
    self.dropped = dropped
  }

  public var bytes: [UInt8] {
    var block = Block(type: 5)
    block.u32(interface)
    block.timestamp(time)
    // isb_ifrecv, isb_ifdrop
    for (code, count) in [(UInt16(4), received), (5, dropped)] {
      block.u16(code)
      block.u16(8)
      block.u64(count)
    }
    block.endOfOptions()
    return block.finished()
  }
}
