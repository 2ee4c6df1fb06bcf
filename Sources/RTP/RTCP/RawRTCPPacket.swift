import Wire

/// The PT values of RFC 3550 section 12.1 and RFC 4585 section 6.1.
public enum RTCPPacketType {
  public static let senderReport: UInt8 = 200
  public static let receiverReport: UInt8 = 201
  public static let sourceDescription: UInt8 = 202
  public static let goodbye: UInt8 = 203
  public static let applicationDefined: UInt8 = 204
  public static let transportLayerFeedback: UInt8 = 205
  public static let payloadSpecificFeedback: UInt8 = 206
}

/// One RTCP packet whose body is not interpreted: how every packet is framed, and how those of unknown type are kept
/// (RFC 3550 section 6.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  count  |      PT       |     length in words, minus 1  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              body                             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
public struct RawRTCPPacket: Hashable, Sendable {
  /// Five bits: report count, source count, subtype or feedback message type, as the packet type has it.
  public let count: UInt8
  public let packetType: UInt8
  /// Everything behind the first four bytes, padding included: a multiple of 4 bytes.
  public let body: [UInt8]
  public let hasPadding: Bool

  /// A packet with `content`, padded (P bit) where that is not a multiple of 4 bytes. Only the low five bits of `count`
  /// are kept.
  public init(count: UInt8, packetType: UInt8, content: [UInt8]) {
    self.count = count & 0x1f
    self.packetType = packetType
    let padding = (4 - content.count % 4) % 4
    hasPadding = padding > 0
    body = padding > 0 ? content + [UInt8](repeating: 0, count: padding - 1) + [UInt8(padding)] : content
  }

  /// The body without padding.
  public var content: ArraySlice<UInt8> {
    guard hasPadding, let padding = body.last, Int(padding) <= body.count else { return body[...] }
    return body.dropLast(Int(padding))
  }

  /// Takes the next packet of a compound. One that is said to go on beyond the datagram ends with it, and a padding count
  /// that cannot be is none; both are noted in `faults`.
  init(from reader: inout ByteReader, faults: inout [RTCPError]) throws(RTCPError) {
    guard let first = reader.u8(), let packetType = reader.u8(), let words = reader.u16() else {
      throw .truncatedHeader
    }
    guard first >> 6 == 2 else { throw .badVersion(first >> 6) }
    let length = Int(words) * 4
    if length > reader.remaining { faults.append(.truncatedPacket(packetType: packetType)) }
    let body = reader.take(min(length, reader.remaining & ~3)) ?? []
    if length > reader.remaining + body.count { _ = reader.rest() }
    count = first & 0x1f
    self.packetType = packetType
    self.body = Array(body)
    let isPadded = first & 0x20 != 0
    let padding = Int(body.last ?? 0)
    hasPadding = isPadded && padding > 0 && padding <= body.count
    if isPadded, !hasPadding { faults.append(.badPadding(packetType: packetType)) }
  }

  /// Appends the packet. One too long for the length field (256 KiB) is left out.
  func encode(into writer: inout ByteWriter) {
    guard let words = UInt16(exactly: body.count / 4) else { return }
    writer.u8(0x80 | (hasPadding ? 0x20 : 0) | count)
    writer.u8(packetType)
    writer.u16(words)
    writer.append(body)
  }
}
