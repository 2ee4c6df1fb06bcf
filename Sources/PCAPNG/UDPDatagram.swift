import Wire

/// A UDP datagram with the IP header (RFC 791, RFC 8200) and the UDP header (RFC 768) that its addresses and payload make:
/// checksums are correct; the identification and the time to live of the packet that really travelled are not known.
public struct UDPDatagram: Hashable, Sendable {
  public var source: SocketAddress
  public var destination: SocketAddress
  public var payload: [UInt8]

  public init(source: SocketAddress, destination: SocketAddress, payload: [UInt8]) {
    self.source = source
    self.destination = destination
    self.payload = payload
  }

  /// The IP packet. A payload longer than UDP carries is cut off.
  public var bytes: [UInt8] {
    let isV6 = source.ip.isV6 || destination.ip.isV6
    let payload = payload.prefix(Self.longestPayload)
    let length = UInt16(truncatingIfNeeded: payload.count + 8)
    let addresses = isV6 ? source.ip.asV6 + destination.ip.asV6 : source.ip.bytes + destination.ip.bytes
    var writer = ByteWriter(capacity: payload.count + 48)
    if isV6 { writeV6(length, &writer) } else { writeV4(length, addresses, &writer) }
    writer.append(addresses)
    let header = [source.port, destination.port, length].flatMap(Self.octets)
    let pseudoHeader = addresses + [0, 17] + Self.octets(length)
    let sum = Self.sum(pseudoHeader[...]) &+ Self.sum(header[...]) &+ Self.sum(payload)
    let checksum = Self.finish(sum)
    writer.append(header)
    // 0 would mean that there is none (RFC 768).
    writer.u16(checksum == 0 ? 0xffff : checksum)
    writer.append(payload)
    return writer.bytes
  }

  private static let longestPayload = 65_535 - 20 - 8

  private func writeV4(_ length: UInt16, _ addresses: [UInt8], _ writer: inout ByteWriter) {
    let start: [UInt8] = [0x45, 0] + Self.octets(length &+ 20) + [0, 0, 0x40, 0, 64, 17]
    writer.append(start)
    writer.u16(Self.finish(Self.sum(start[...]) &+ Self.sum(addresses[...])))
  }

  private func writeV6(_ length: UInt16, _ writer: inout ByteWriter) {
    writer.u32(0x6000_0000)
    writer.u16(length)
    writer.u8(17)
    writer.u8(64)
  }

  private static func octets(_ value: UInt16) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  /// The sum of 16-bit words (RFC 1071), not folded yet.
  private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.withUnsafeBytes { bytes in
      var sum: UInt64 = 0
      var offset = 0
      while offset &+ 2 <= bytes.count {
        sum &+= UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
        offset &+= 2
      }
      return offset < bytes.count ? sum &+ UInt64(bytes[offset]) << 8 : sum
    }
  }

  private static func finish(_ sum: UInt64) -> UInt16 {
    var folded = sum
    while folded >> 16 != 0 { folded = (folded & 0xffff) &+ (folded >> 16) }
    return ~UInt16(truncatingIfNeeded: folded)
  }
}

extension IPAddress {
  /// 16 octets; an IPv4 address as an IPv4-mapped one (RFC 4291 section 2.5.5.2).
  fileprivate var asV6: [UInt8] { isV6 ? bytes : [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + bytes }
}
