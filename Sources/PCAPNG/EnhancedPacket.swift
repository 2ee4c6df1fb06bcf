/// An enhanced packet block: one packet (draft-ietf-opsawg-pcapng section 4.3).
///
///     |                    Block Type = 0x00000006                    |
///     |                      Block Total Length                       |
///     |                         Interface ID                          |
///     |                        Timestamp (High)                       |
///     |                        Timestamp (Low)                        |
///     |                    Captured Packet Length                     |
///     |                    Original Packet Length                     |
///     /              Packet Data, padded to 32 bits                   /
///     /                      Options (variable)                       /
///     |                      Block Total Length                       |
public struct EnhancedPacket: Hashable, Sendable {
  /// Bits 0 and 1 of epb_flags.
  public enum Direction: UInt32, Hashable, Sendable {
    case inbound = 1
    case outbound = 2
  }

  /// The number of its interface.
  public var interface: UInt32
  /// Nanoseconds since 1970.
  public var time: UInt64
  public var direction: Direction
  public var datagram: UDPDatagram
  public var comment: String

  public init(interface: UInt32, time: UInt64, direction: Direction, datagram: UDPDatagram, comment: String = "") {
    self.interface = interface
    self.time = time
    self.direction = direction
    self.datagram = datagram
    self.comment = comment
  }

  public var bytes: [UInt8] {
    let packet = datagram.bytes
    var block = Block(type: 6, capacity: packet.count + 256)
    block.u32(interface)
    block.timestamp(time)
    block.u32(UInt32(truncatingIfNeeded: packet.count))
    block.u32(UInt32(truncatingIfNeeded: packet.count))
    block.append(packet)
    block.pad()
    block.option(commentOption, comment)
    block.u16(2)
    block.u16(4)
    block.u32(direction.rawValue)
    block.endOfOptions()
    return block.finished()
  }
}
