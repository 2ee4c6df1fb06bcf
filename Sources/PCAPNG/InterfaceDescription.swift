/// An interface description block (draft-ietf-opsawg-pcapng section 4.2). Interfaces are numbered from 0 in the order of
/// their descriptions. Packets are IPv4 or IPv6 from their first octet; times are in nanoseconds.
///
///     |                    Block Type = 0x00000001                    |
///     |                      Block Total Length                       |
///     |           LinkType            |           Reserved            |
///     |                            SnapLen                            |
///     /                      Options (variable)                       /
///     |                      Block Total Length                       |
public struct InterfaceDescription: Hashable, Sendable {
  public var name: String
  public var description: String

  public init(name: String, description: String = "") {
    self.name = name
    self.description = description
  }

  /// Raw IP, the version told by its first four bits.
  static let linkTypeRaw: UInt16 = 101

  public var bytes: [UInt8] {
    var block = Block(type: 1)
    block.u16(Self.linkTypeRaw)
    block.u16(0)
    // Nothing is cut off.
    block.u32(0)
    block.option(2, name)
    block.option(3, description)
    // if_tsresol: 10^-9 s
    block.option(9, [9])
    block.endOfOptions()
    return block.finished()
  }
}
