/// Why a datagram is not the RTCP it claims to be. `packetType` is the PT byte of the packet at fault.
public enum RTCPError: Error, Hashable, Sendable {
  /// Nothing, or fewer than four bytes where a packet should start.
  case truncatedHeader
  /// The version is not 2.
  case badVersion(UInt8)
  /// The length field reaches past the datagram's end.
  case truncatedPacket(packetType: UInt8)
  /// The padding count is 0 or exceeds the packet.
  case badPadding(packetType: UInt8)
  /// A field, report block, item or delta that the packet announces does not fit in it.
  case truncatedBody(packetType: UInt8)
  /// Transport feedback with no packet status at all.
  case emptyFeedback
  /// Transport feedback with the reserved status symbol 3.
  case reservedStatusSymbol
}
