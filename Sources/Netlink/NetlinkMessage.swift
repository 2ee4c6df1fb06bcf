/// One message of an answer or a notification.
///
///     0                   4         6         8                   12
///     | length            | type    | flags   | sequence          | port              | body …
public struct NetlinkMessage: Sendable {
  public let type: Int
  public let flags: UInt16
  public let sequence: UInt32
  public let body: ArraySlice<UInt8>

  private static let headerLength = 16

  public init(type: Int, flags: UInt16 = 0, sequence: UInt32 = 0, body: ArraySlice<UInt8>) {
    self.type = type
    self.flags = flags
    self.sequence = sequence
    self.body = body
  }

  /// NLMSG_ERROR: also what says that all went well.
  public var isError: Bool { type == 2 }
  /// NLMSG_DONE: the end of an answer in several parts.
  public var isEnd: Bool { type == 3 }
  /// NLM_F_DUMP_INTR: what is told changed while it was told.
  public var isInterrupted: Bool { flags & 0x10 != 0 }
  /// Of an error or an end: the positive error number; 0 for none.
  public var errorNumber: Int32 {
    let number = Int32(bitPattern: body.u32(0))
    return number < 0 && number > .min ? -number : 0
  }

  /// Every attribute after a header of `headerLength` octets; of several of a type the last.
  public func attributes(after headerLength: Int) -> [Int: ArraySlice<UInt8>] {
    Self.attributes(in: body.dropFirst(headerLength))
  }

  public static func attributes(in data: ArraySlice<UInt8>) -> [Int: ArraySlice<UInt8>] {
    var found: [Int: ArraySlice<UInt8>] = [:]
    for (type, value) in list(in: data) { found[type] = value }
    return found
  }

  /// Attributes in order, as far as they are whole.
  public static func list(in data: ArraySlice<UInt8>) -> [(type: Int, value: ArraySlice<UInt8>)] {
    var found: [(Int, ArraySlice<UInt8>)] = []
    var rest = data
    while rest.count >= 4 {
      let length = Int(rest.u16(0))
      guard length >= 4, length <= rest.count else { break }
      // Two bits of the type are flags.
      found.append((Int(rest.u16(2) & 0x3fff), rest.dropFirst(4).prefix(length - 4)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return found
  }

  /// The messages in what one read returned.
  public static func all(in data: ArraySlice<UInt8>) -> [NetlinkMessage] {
    var messages: [NetlinkMessage] = []
    var rest = data
    while rest.count >= headerLength {
      let length = Int(rest.u32(0))
      guard length >= headerLength, length <= rest.count else { break }
      messages.append(
        NetlinkMessage(
          type: Int(rest.u16(4)), flags: rest.u16(6), sequence: rest.u32(8),
          body: rest.dropFirst(headerLength).prefix(length - headerLength)))
      rest = rest.dropFirst((length + 3) & ~3)
    }
    return messages
  }
}

extension ArraySlice<UInt8> {
  /// The integer in host order at `offset` from the start; 0 past the end.
  public func u16(_ offset: Int) -> UInt16 { integer(offset) }
  public func u32(_ offset: Int) -> UInt32 { integer(offset) }
  public func u8(_ offset: Int) -> UInt8 { integer(offset) }

  /// Up to the first octet of 0.
  public var text: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }

  private func integer<T: FixedWidthInteger>(_ offset: Int) -> T {
    let size = MemoryLayout<T>.size
    guard offset >= 0, offset + size <= count else { return 0 }
    return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }
}
