import PCAPNG
import Testing
import Wire

@Suite struct UDPDatagramTests {
  /// Over a whole header with its checksum in place, the one's-complement sum is all ones (RFC 1071).
  private func sum(_ bytes: some Collection<UInt8>) -> UInt32 {
    let octets = Array(bytes) + (bytes.count % 2 == 0 ? [] : [0])
    var sum: UInt32 = 0
    for i in stride(from: 0, to: octets.count, by: 2) { sum += UInt32(octets[i]) << 8 | UInt32(octets[i + 1]) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return sum
  }

  @Test(arguments: [0, 1, 2, 3, 100, 1200, 1201])
  func ipv4(_ count: Int) {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let bytes =
      UDPDatagram(
        source: SocketAddress(.v4(0xc000_0201), 40_000), destination: SocketAddress(.v4(0x0a00_0001), 3478),
        payload: payload
      ).bytes
    #expect(bytes.count == 28 + count)
    #expect(bytes[0] == 0x45 && bytes[9] == 17 && Int(bytes[2]) << 8 | Int(bytes[3]) == 28 + count)
    #expect(bytes[12..<20] == [192, 0, 2, 1, 10, 0, 0, 1])
    #expect(bytes[20..<24] == [0x9c, 0x40, 0x0d, 0x96] && Int(bytes[24]) << 8 | Int(bytes[25]) == 8 + count)
    #expect(sum(bytes[..<20]) == 0xffff)
    #expect(sum(bytes[12..<20] + [0, 17] + bytes[24..<26] + bytes[20...]) == 0xffff)
    #expect(bytes[28...] == payload[...])
  }

  @Test func ipv6() throws {
    let source = try #require(SocketAddress("[2001:db8::1]:40000"))
    let destination = try #require(SocketAddress("[2001:db8::2]:3478"))
    let bytes = UDPDatagram(source: source, destination: destination, payload: [9, 8, 7]).bytes
    #expect(bytes[..<8] == [0x60, 0, 0, 0, 0, 11, 17, 64])
    #expect(bytes[8..<40] == (source.ip.bytes + destination.ip.bytes)[...])
    #expect(sum(bytes[8..<40] + [0, 17] + bytes[44..<46] + bytes[40...]) == 0xffff)
    #expect(bytes[48...] == [9, 8, 7])
  }

  /// A sum that comes to 0 is written as all ones, since 0 would say that there is no checksum.
  @Test func aChecksumOfZero() {
    let addresses = (SocketAddress(.v4(0), 0), SocketAddress(.v4(0), 0))
    // Protocol 17, the length 10 twice and this come to 0xffff.
    let payload: [UInt8] = [0xff, 0xff - 17 - 20]
    let bytes = UDPDatagram(source: addresses.0, destination: addresses.1, payload: payload).bytes
    #expect(bytes[26...27] == [0xff, 0xff])
  }
}
