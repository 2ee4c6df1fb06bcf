import PCAPNG
import Testing
import Wire

/// Every block against its octets as the draft draws them.
@Suite struct BlockTests {
  @Test func sectionHeader() {
    let bytes = SectionHeader(application: "me", comment: "hello").bytes
    #expect(
      bytes == [
        0x0a, 0x0d, 0x0d, 0x0a, 52, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
        255, 255, 255, 255, 255, 255, 255, 255,
        1, 0, 5, 0, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0, 0, 0,
        4, 0, 2, 0, 0x6d, 0x65, 0, 0,
        0, 0, 0, 0, 52, 0, 0, 0,
      ])
  }

  @Test func interfaceDescription() {
    #expect(
      InterfaceDescription(name: "in").bytes == [
        1, 0, 0, 0, 40, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 0x69, 0x6e, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0,
        0, 0, 0, 0, 40, 0, 0, 0,
      ])
    let described = InterfaceDescription(name: "in", description: "what arrived").bytes
    #expect(Array(described[24..<40]) == [3, 0, 12, 0] + Array("what arrived".utf8))
  }

  private let datagram = UDPDatagram(
    source: SocketAddress(.v4(0x0a00_0001), 5000), destination: SocketAddress(.v4(0x0a00_0002), 3478),
    payload: [1, 2, 3])

  @Test func enhancedPacket() {
    let packet = EnhancedPacket(
      interface: 1, time: 0x0102_0304_0506_0708, direction: .outbound, datagram: datagram, comment: "to Ann")
    #expect(
      packet.bytes == [6, 0, 0, 0, 88, 0, 0, 0, 1, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 31, 0, 0, 0, 31, 0, 0, 0]
        + datagram.bytes + [
          0, 1, 0, 6, 0, 0x74, 0x6f, 0x20, 0x41, 0x6e, 0x6e, 0, 0,
          2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0, 88, 0, 0, 0,
        ])
  }

  @Test func interfaceStatistics() {
    let statistics = InterfaceStatistics(interface: 1, time: 1 << 32 | 2, received: 300, dropped: 7)
    #expect(
      statistics.bytes == [
        5, 0, 0, 0, 52, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
        4, 0, 8, 0, 44, 1, 0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 52, 0, 0, 0,
      ])
  }

  @Test func aLongCommentEndsAtACharacter() {
    let comment = String(repeating: "é", count: 5000)
    let packet = EnhancedPacket(interface: 0, time: 0, direction: .inbound, datagram: datagram, comment: comment)
    let bytes = packet.bytes
    let text = bytes[64..<64 + 4096]
    #expect(bytes.count % 4 == 0 && bytes[60...63] == [1, 0, 0, 16])
    #expect(String(validating: text, as: UTF8.self) == String(repeating: "é", count: 2048))
  }
}
