/// The blocks of one RED payload (redundant audio, RFC 2198 section 3), found without allocation.
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |1|   block PT  |  timestamp offset         |   block length    |   each redundant block
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0|   block PT  |                                                   the primary block, last
/// +-+-+-+-+-+-+-+-+
/// ```
///
/// The blocks' data follows in the same order; the primary block takes what is left.
@frozen public struct REDLayout: Hashable, Sendable {
  /// Bytes of block headers.
  public var headerLength: Int
  /// The newest block, which a receiver without RED gets alone.
  public var primary: REDBlock
  public var redundantBlockCount: Int

  @inlinable
  public init(headerLength: Int, primary: REDBlock, redundantBlockCount: Int) {
    self.headerLength = headerLength
    self.primary = primary
    self.redundantBlockCount = redundantBlockCount
  }

  /// Walks the block headers of `payload` (an RTP payload without padding). nil if they have no end or announce more
  /// data than there is.
  @inlinable
  public static func parse(_ payload: UnsafeRawBufferPointer) -> REDLayout? {
    var position = 0
    var redundantLength = 0
    var redundantBlockCount = 0
    while position < payload.count, payload[position] & 0x80 != 0 {
      guard position &+ 4 <= payload.count else { return nil }
      redundantLength &+= Int(payload.bigEndianU16(at: position &+ 2) & 0x03ff)
      redundantBlockCount &+= 1
      position &+= 4
    }
    guard position < payload.count else { return nil }
    let offset = position &+ 1 &+ redundantLength
    guard offset <= payload.count else { return nil }
    let primary = REDBlock(
      payloadType: payload[position] & 0x7f, timestampOffset: 0, offset: offset, length: payload.count &- offset)
    return REDLayout(headerLength: position &+ 1, primary: primary, redundantBlockCount: redundantBlockCount)
  }

  /// All blocks of `payload`, the payload this layout was read from: oldest first, the primary last.
  @inlinable
  public func blocks(of payload: UnsafeRawBufferPointer) -> REDBlocks { REDBlocks(layout: self, payload: payload) }
}

/// One block of a RED payload.
@frozen public struct REDBlock: Hashable, Sendable {
  public var payloadType: UInt8
  /// How much older the block is than the packet's RTP timestamp, in its units; 14 bits. 0 for the primary block.
  public var timestampOffset: UInt16
  /// Of the data, in bytes from the start of the payload.
  public var offset: Int
  /// Bytes of data.
  public var length: Int

  @inlinable
  public init(payloadType: UInt8, timestampOffset: UInt16, offset: Int, length: Int) {
    self.payloadType = payloadType
    self.timestampOffset = timestampOffset
    self.offset = offset
    self.length = length
  }

  /// The data, in the payload the block was read from.
  @inlinable
  public func data(in payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: payload[offset..<offset &+ length])
  }
}

/// Walks a RED payload block by block. Valid only as long as the payload's memory is.
@frozen public struct REDBlocks: Sequence, IteratorProtocol {
  @usableFromInline let payload: UnsafeRawBufferPointer
  @usableFromInline let primary: REDBlock
  @usableFromInline var header = 0
  @usableFromInline var data: Int
  @usableFromInline var isDone = false

  @inlinable
  init(layout: REDLayout, payload: UnsafeRawBufferPointer) {
    self.payload = payload
    primary = layout.primary
    data = layout.headerLength
  }

  @inlinable
  public mutating func next() -> REDBlock? {
    guard !isDone else { return nil }
    let isRedundant = header &+ 4 <= payload.count && payload[header] & 0x80 != 0
    guard isRedundant else {
      isDone = true
      return primary
    }
    let word = payload.bigEndianU32(at: header)
    let block = REDBlock(
      payloadType: UInt8(truncatingIfNeeded: word >> 24) & 0x7f,
      timestampOffset: UInt16(truncatingIfNeeded: word >> 10) & 0x3fff, offset: data, length: Int(word & 0x3ff))
    header &+= 4
    data &+= block.length
    return block
  }
}
