import RTP
import Testing

/// V=2 P X CC=2, M=1 PT=96, sequence 0x1234; two CSRCs; one-byte extension of two words; 4 payload bytes; 3 of padding.
private let full: [UInt8] =
  [0xb2, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04]
  + [0, 0, 0, 1, 0, 0, 0, 2]
  + [0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x21, 0xbb, 0xcc, 0x00, 0x00, 0x00]
  + [9, 8, 7, 6, 0, 0, 3]

private func parse(_ bytes: [UInt8]) -> RTPLayout? { bytes.withUnsafeBytes { RTPLayout.parse($0) } }

@Suite struct RTPLayoutTests {
  @Test func everyFieldOfAFullPacket() throws {
    let layout = try #require(parse(full))
    #expect(layout.payloadType == 96)
    #expect(layout.marker)
    #expect(layout.sequence == 0x1234)
    #expect(layout.timestamp == 0xdead_beef)
    #expect(layout.ssrc == 0x0102_0304)
    #expect(layout.csrcCount == 2)
    #expect(layout.hasExtension)
    #expect(layout.extensionProfile == 0xbede)
    #expect(layout.extensionOffset == 24)
    #expect(layout.extensionLength == 8)
    #expect(layout.payloadOffset == 32)
    #expect(layout.hasPadding)
    #expect(layout.paddingLength == 3)
    #expect(layout.payloadLength(packetLength: full.count) == 4)
  }

  @Test func minimalPacket() throws {
    let layout = try #require(parse([0x80, 0x00] + [UInt8](repeating: 0, count: 10)))
    #expect(!layout.marker && !layout.hasExtension && !layout.hasPadding)
    #expect(layout.payloadOffset == 12)
    #expect(layout.payloadLength(packetLength: 12) == 0)
  }

  /// Without the last byte of any part there is no layout. The payload's own length is nobody's business, so cuts there
  /// only move the padding count.
  @Test(arguments: 0..<32) func truncatedHeader(_ length: Int) {
    #expect(parse(Array(full.prefix(length))) == nil)
  }

  @Test func wrongVersions() {
    for version: UInt8 in [0, 1, 3] { #expect(parse([version << 6] + full.dropFirst()) == nil) }
  }

  @Test func paddingWithinPayloadOnly() {
    #expect(parse(full.dropLast() + [0]) == nil)
    #expect(parse(full.dropLast() + [7])?.payloadLength(packetLength: full.count) == 0)
    #expect(parse(full.dropLast() + [8]) == nil)
    #expect(parse(Array(full.prefix(32))) == nil)
  }

  @Test func protectedPacketLeavesPaddingUntilClear() throws {
    let encrypted = full.dropLast() + [0xff]
    let early = Array(encrypted).withUnsafeBytes { RTPLayout.parseProtected($0) }
    var layout = try #require(early)
    #expect(layout.hasPadding && layout.paddingLength == 0)
    #expect(full.withUnsafeBytes { layout.readPadding($0) })
    #expect(layout.paddingLength == 3)
  }

  @Test func emptyExtensionIsStillOne() throws {
    let bytes: [UInt8] = [0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    let layout = try #require(parse(bytes))
    #expect(layout.hasExtension && layout.extensionLength == 0 && layout.payloadOffset == 16)
  }

  @Test func elementsOfAFullPacket() throws {
    let layout = try #require(parse(full))
    full.withUnsafeBytes { packet in #expect(layout.extensions(of: packet).map(\.id) == [1, 2]) }
  }
}

@Suite struct RTPExtensionElementTests {
  private func elements(_ profile: UInt16, _ data: [UInt8]) -> [RTPHeader.Element] {
    data.withUnsafeBytes { packet in
      RTPExtensionElements(packet: packet, profile: profile, offset: 0, length: packet.count)
        .map { .init(id: $0.id, data: Array($0.data(in: packet))) }
    }
  }

  @Test func oneByteFormWithPaddingBetween() {
    #expect(
      elements(0xbede, [0x10, 0xaa, 0, 0, 0x32, 1, 2, 3]) == [
        .init(id: 1, data: [0xaa]), .init(id: 3, data: [1, 2, 3]),
      ])
  }

  @Test func oneByteFormStopsAtID15() { #expect(elements(0xbede, [0x10, 1, 0xf0, 2, 0x20, 3]).map(\.id) == [1]) }

  @Test func oneByteFormStopsAtID0WithLength() {
    #expect(elements(0xbede, [0x10, 1, 0x01, 2, 0x20, 3]).map(\.id) == [1])
  }

  @Test func elementThatDoesNotFitEndsTheWalk() {
    #expect(elements(0xbede, [0x10, 1, 0x23, 1, 2, 3]).map(\.id) == [1])
    #expect(elements(0xbede, [0x10]).isEmpty)
    #expect(elements(0x1000, [1, 1, 9, 2, 4, 0, 0, 0]).map(\.id) == [1])
    #expect(elements(0x1000, [1, 0, 7]).map(\.id) == [1])
  }

  @Test func twoByteFormWithEmptyElementAndAnyAppBits() {
    let expected: [RTPHeader.Element] = [.init(id: 15, data: []), .init(id: 200, data: [1, 2])]
    #expect(elements(0x1000, [15, 0, 0, 200, 2, 1, 2, 0]) == expected)
    #expect(elements(0x100f, [15, 0, 0, 200, 2, 1, 2, 0]) == expected)
  }

  @Test func otherProfilesHaveNoElements() {
    #expect(elements(0x1010, [0x10, 1]).isEmpty)
    #expect(elements(0, [0x10, 1]).isEmpty)
  }

  @Test func rangeOutsideThePacketIsNotWalked() {
    [UInt8]([0x10, 1, 0x10, 1]).withUnsafeBytes { packet in
      #expect(Array(RTPExtensionElements(packet: packet, profile: 0xbede, offset: 2, length: 4)).isEmpty)
      #expect(Array(RTPExtensionElements(packet: packet, profile: 0xbede, offset: 6, length: 0)).isEmpty)
    }
  }

  @Test func firstWithID() {
    [UInt8]([0x10, 7, 0x21, 8, 9]).withUnsafeBytes { packet in
      let elements = RTPExtensionElements(packet: packet, profile: 0xbede, offset: 0, length: packet.count)
      #expect(elements.first(id: 2) == RTPExtensionElement(id: 2, offset: 3, length: 2))
      #expect(elements.first(id: 3) == nil)
    }
  }
}
