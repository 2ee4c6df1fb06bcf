/// Where the parts of one RTP packet lie and what its fixed header says: the allocation-free view that the forwarding
/// path reads packets through (RFC 3550 section 5.1).
///
/// ```
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           timestamp                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           synchronization source (SSRC) identifier            |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |            contributing source (CSRC) identifiers             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      defined by profile       |   length in 32-bit words      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                        header extension                       |
/// ```
///
/// Offsets count bytes from the start of the packet; integers are in host order.
@frozen public struct RTPLayout: Equatable, Sendable {
  public var payloadType: UInt8
  public var marker: Bool
  public var sequence: UInt16
  public var timestamp: UInt32
  public var ssrc: UInt32
  /// 0 to 15 contributing sources, from offset 12 on.
  public var csrcCount: Int
  /// "defined by profile": 0xBEDE for one-byte, 0x1000 to 0x100F for two-byte elements (RFC 8285). 0 without extension.
  public var extensionProfile: UInt16
  /// Of the extension's data, behind its 4-byte header; 0 when the packet has no extension (X bit clear).
  public var extensionOffset: Int
  /// Bytes of extension data: a multiple of 4, may be 0.
  public var extensionLength: Int
  /// Where the header ends and the payload begins.
  public var payloadOffset: Int
  /// The P bit. What it announces can be read only in clear: see `readPadding`.
  public var hasPadding: Bool
  /// Padding bytes at the packet's end, their count included; 0 for an SRTP packet until `readPadding`.
  public var paddingLength: Int

  @inlinable @inline(__always)
  public init(
    payloadType: UInt8, marker: Bool, sequence: UInt16, timestamp: UInt32, ssrc: UInt32, csrcCount: Int = 0,
    extensionProfile: UInt16 = 0, extensionOffset: Int = 0, extensionLength: Int = 0, payloadOffset: Int = 12,
    hasPadding: Bool = false, paddingLength: Int = 0
  ) {
    self.payloadType = payloadType
    self.marker = marker
    self.sequence = sequence
    self.timestamp = timestamp
    self.ssrc = ssrc
    self.csrcCount = csrcCount
    self.extensionProfile = extensionProfile
    self.extensionOffset = extensionOffset
    self.extensionLength = extensionLength
    self.payloadOffset = payloadOffset
    self.hasPadding = hasPadding
    self.paddingLength = paddingLength
  }

  /// The fixed header's length in bytes.
  public static let fixedHeaderLength = 12

  /// Reads a clear RTP packet. nil if it is not version 2, if any announced part does not fit, or if its padding is not
  /// within the payload.
  @inlinable @inline(__always)
  public static func parse(_ packet: UnsafeRawBufferPointer) -> RTPLayout? {
    guard var layout = parseProtected(packet) else { return nil }
    return layout.readPadding(packet) ? layout : nil
  }

  /// Reads the header of an SRTP packet, whose padding is encrypted: `paddingLength` stays 0. nil if it is not
  /// version 2 or any announced part of the header does not fit. `packet` may end with the authentication tag.
  @inlinable @inline(__always)
  public static func parseProtected(_ packet: UnsafeRawBufferPointer) -> RTPLayout? {
    guard packet.count >= 12 else { return nil }
    let first = packet[0]
    guard first >> 6 == 2 else { return nil }
    let second = packet[1]
    var layout = RTPLayout(
      payloadType: second & 0x7f, marker: second & 0x80 != 0, sequence: packet.bigEndianU16(at: 2),
      timestamp: packet.bigEndianU32(at: 4), ssrc: packet.bigEndianU32(at: 8), csrcCount: Int(first & 0x0f),
      hasPadding: first & 0x20 != 0)
    layout.payloadOffset = 12 &+ layout.csrcCount &* 4
    guard layout.payloadOffset <= packet.count else { return nil }
    if first & 0x10 != 0 {
      guard layout.payloadOffset &+ 4 <= packet.count else { return nil }
      layout.extensionProfile = packet.bigEndianU16(at: layout.payloadOffset)
      layout.extensionLength = Int(packet.bigEndianU16(at: layout.payloadOffset &+ 2)) &* 4
      layout.extensionOffset = layout.payloadOffset &+ 4
      layout.payloadOffset = layout.extensionOffset &+ layout.extensionLength
      guard layout.payloadOffset <= packet.count else { return nil }
    }
    return layout
  }

  /// Reads the padding's length from the last byte of `packet`, in clear and without authentication tag. False if it
  /// is 0 or reaches into the header. Without P bit it is true and changes nothing.
  @inlinable @inline(__always)
  public mutating func readPadding(_ packet: UnsafeRawBufferPointer) -> Bool {
    guard hasPadding else { return true }
    guard packet.count > payloadOffset else { return false }
    let length = Int(packet[packet.count &- 1])
    guard length > 0, length <= packet.count &- payloadOffset else { return false }
    paddingLength = length
    return true
  }

  /// The X bit.
  @inlinable public var hasExtension: Bool { extensionOffset != 0 }

  /// Payload bytes of a packet of `packetLength` bytes, padding left out.
  @inlinable @inline(__always)
  public func payloadLength(packetLength: Int) -> Int { packetLength &- payloadOffset &- paddingLength }

  /// The RFC 8285 elements of `packet`, the packet this layout was read from. Empty for any other kind of extension.
  @inlinable @inline(__always)
  public func extensions(of packet: UnsafeRawBufferPointer) -> RTPExtensionElements {
    RTPExtensionElements(
      packet: packet, profile: extensionProfile, offset: extensionOffset, length: extensionLength)
  }
}

extension UnsafeRawBufferPointer {
  /// The two bytes at `offset` in network order. The caller has checked that they are there.
  @inlinable @inline(__always)
  public func bigEndianU16(at offset: Int) -> UInt16 {
    UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// The four bytes at `offset` in network order. The caller has checked that they are there.
  @inlinable @inline(__always)
  public func bigEndianU32(at offset: Int) -> UInt32 {
    UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
}
