/// The section header block, with which a file begins (draft-ietf-opsawg-pcapng section 4.1).
///
///     |                   Block Type = 0x0A0D0D0A                     |
///     |                      Block Total Length                       |
///     |                      Byte-Order Magic                         |
///     |          Major Version        |         Minor Version         |
///     |                         Section Length                        |
///     |                          (64 bits)                            |
///     /                      Options (variable)                       /
///     |                      Block Total Length                       |
public struct SectionHeader: Hashable, Sendable {
  /// The program that wrote the file.
  public var application: String
  public var comment: String

  public init(application: String, comment: String = "") {
    self.application = application
    self.comment = comment
  }

  public var bytes: [UInt8] {
    var block = Block(type: 0x0a0d_0d0a)
    block.u32(0x1a2b_3c4d)
    block.u16(1)
    block.u16(0)
    // The length of the section is not known in advance.
    block.u64(.max)
    block.option(commentOption, comment)
    block.option(4, application)
    block.endOfOptions()
    return block.finished()
  }
}
