import RTP
import Testing

@Suite struct RTPPacketTests {
  private let header = RTPHeader(
    payloadType: 111, marker: true, sequence: 65535, timestamp: 960, ssrc: 7, csrcs: [1, 2, 3],
    extension: .oneByte([.init(id: 1, data: [0x80]), .init(id: 14, data: [UInt8](0..<16))]))

  @Test func valueToBytesAndBack() throws {
    let packet = RTPPacket(header: header, payload: [1, 2, 3], paddingLength: 5)
    let bytes = packet.encode()
    #expect(try RTPPacket.decode(bytes) == packet)
    #expect(try RTPPacket.decode(bytes).encode() == bytes)
    #expect(RTPHeader(bytes) == header)
    #expect(header.element(id: 1) == [0x80])
    #expect(header.element(id: 2) == nil)
  }

  @Test func knownBytes() {
    let header = RTPHeader(
      payloadType: 96, sequence: 1, timestamp: 2, ssrc: 3, extension: .twoByte([.init(id: 20, data: [5])], appBits: 1))
    #expect(header.encode() == [0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x01, 0, 1, 20, 1, 5, 0])
  }

  @Test func extensionOfAnotherProfileIsKept() throws {
    let header = RTPHeader(
      payloadType: 0, sequence: 0, timestamp: 0, ssrc: 0, extension: .other(profile: 0x1234, [1, 2, 3, 4]))
    #expect(RTPHeader(header.encode()) == header)
  }

  @Test func elementsThatTheFormCannotExpressAreLeftOut() {
    let header = RTPHeader(
      payloadType: 0, sequence: 0, timestamp: 0, ssrc: 0,
      extension: .oneByte([.init(id: 15, data: [1]), .init(id: 2, data: []), .init(id: 3, data: [1])]))
    #expect(RTPHeader(header.encode())?.extension == .oneByte([.init(id: 3, data: [1])]))
  }

  @Test func errors() {
    #expect(throws: RTPPacket.ParsingError.malformedHeader) { try RTPPacket.decode([0x80]) }
    #expect(throws: RTPPacket.ParsingError.badPadding) {
      try RTPPacket.decode([0xa0] + [UInt8](repeating: 0, count: 12))
    }
  }
}

@Suite struct REDLayoutTests {
  private func blocks(_ payload: [UInt8]) -> [REDBlock]? {
    payload.withUnsafeBytes { bytes in REDLayout.parse(bytes).map { Array($0.blocks(of: bytes)) } }
  }

  @Test func redundantBlocksThenPrimary() throws {
    // PT 111, 1920 and 960 back, 2 and 3 bytes; then the primary, PT 110.
    let payload: [UInt8] = [0xef, 0x1e, 0x00, 2, 0xef, 0x0f, 0x00, 3, 110, 1, 1, 2, 2, 2, 9, 9, 9, 9]
    #expect(
      blocks(payload) == [
        REDBlock(payloadType: 111, timestampOffset: 1920, offset: 9, length: 2),
        REDBlock(payloadType: 111, timestampOffset: 960, offset: 11, length: 3),
        REDBlock(payloadType: 110, timestampOffset: 0, offset: 14, length: 4),
      ])
    let layout = try #require(payload.withUnsafeBytes { REDLayout.parse($0) })
    #expect(layout.redundantBlockCount == 2 && layout.headerLength == 9)
    #expect(payload.withUnsafeBytes { Array(layout.primary.data(in: $0)) } == [9, 9, 9, 9])
  }

  @Test func primaryAlone() {
    #expect(blocks([111, 5]) == [REDBlock(payloadType: 111, timestampOffset: 0, offset: 1, length: 1)])
    #expect(blocks([111]) == [REDBlock(payloadType: 111, timestampOffset: 0, offset: 1, length: 0)])
  }

  @Test func longestOffsetAndLength() throws {
    let payload: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0] + [UInt8](repeating: 0, count: 1023)
    let first = try #require(blocks(payload)?.first)
    #expect(first == REDBlock(payloadType: 127, timestampOffset: 0x3fff, offset: 5, length: 1023))
  }

  @Test(
    arguments: [[], [0xef], [0xef, 0, 0, 0], [0xef, 0, 0, 2, 111, 1], [0x80, 0, 0, 0, 0x80, 0, 0, 0]] as [[UInt8]])
  func malformed(_ payload: [UInt8]) { #expect(blocks(payload) == nil) }
}

@Suite struct DatagramKindTests {
  @Test func firstByteRanges() {
    let expected: [(ClosedRange<UInt8>, DatagramKind)] = [
      (0...3, .stun), (4...19, .unknown), (20...63, .dtls), (64...79, .turnChannel), (80...127, .unknown),
      (128...191, .rtp), (192...255, .unknown),
    ]
    for (range, kind) in expected {
      for byte in range { #expect(DatagramKind(firstByte: byte, secondByte: 96) == kind) }
    }
  }

  @Test func rtcpByPayloadType() {
    for byte in UInt8.min...UInt8.max {
      #expect(isRTCP(secondByte: byte) == (64...95).contains(byte & 0x7f))
    }
    #expect(DatagramKind([0x80, 200]) == .rtcp)
    #expect(DatagramKind([0x80, 207]) == .rtcp)
    #expect(DatagramKind([0x80, 111]) == .rtp)
    #expect(DatagramKind([0x80]) == .unknown)
  }
}
