import RTP
import Testing
import Wire

private let block = ReportBlock(
  ssrc: 0x0102_0304, fractionLost: 0x40, cumulativeLost: -2, highestSequence: 0x0001_ffff, jitter: 5,
  lastSenderReport: 0xaabb_ccdd, delaySinceLastSenderReport: 0x1_0000)

/// Each message with the bytes that its RFC gives it.
private let vectors: [(packet: RTCPPacket, bytes: [UInt8])] = [
  (
    .senderReport(
      SenderReport(
        ssrc: 1, ntp: NTPTime(rawValue: 0x0102_0304_0506_0708), rtpTimestamp: 9, packetCount: 10, octetCount: 11,
        blocks: [block])),
    [0x81, 200, 0, 12, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 0, 11]
      + [1, 2, 3, 4, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0xff, 0xff, 0, 0, 0, 5, 0xaa, 0xbb, 0xcc, 0xdd, 0, 1, 0, 0]
  ),
  (
    .receiverReport(ReceiverReport(ssrc: 2, blocks: [block], profileExtensions: [1, 2, 3, 4])),
    [0x81, 201, 0, 8, 0, 0, 0, 2]
      + [1, 2, 3, 4, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0xff, 0xff, 0, 0, 0, 5, 0xaa, 0xbb, 0xcc, 0xdd, 0, 1, 0, 0]
      + [1, 2, 3, 4]
  ),
  (.sdes(SDES(ssrc: 3, cname: "ab")), [0x81, 202, 0, 3, 0, 0, 0, 3, 1, 2, 0x61, 0x62, 0, 0, 0, 0]),
  (.bye(BYE(ssrcs: [4, 5])), [0x82, 203, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5]),
  (.bye(BYE(ssrcs: [4], reason: "done")), [0x81, 203, 0, 3, 0, 0, 0, 4, 4, 0x64, 0x6f, 0x6e, 0x65, 0, 0, 0]),
  (
    .app(APP(subtype: 3, ssrc: 6, name: 0x4142_4344, data: [1, 2, 3, 4])),
    [0x83, 204, 0, 3, 0, 0, 0, 6, 0x41, 0x42, 0x43, 0x44, 1, 2, 3, 4]
  ),
  (
    .nack(
      NACK(
        senderSSRC: 7, mediaSSRC: 8,
        lost: [0xffdc, 0xffec, 0xfffe, 0xffff, 0x0000, 0x0001, 0x0003, 0x0014, 0x0064])),
    [0x81, 205, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8]
      + [0xff, 0xdc, 0x80, 0, 0xff, 0xfe, 0, 0x17, 0, 0x14, 0, 0, 0, 0x64, 0, 0]
  ),
  (.pli(PLI(senderSSRC: 9, mediaSSRC: 10)), [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 10]),
  (
    .fir(FIR(senderSSRC: 11, entries: [.init(ssrc: 12, sequenceNumber: 13)])),
    [0x84, 206, 0, 4, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 12, 13, 0, 0, 0]
  ),
  (
    .remb(REMB(senderSSRC: 14, bitrate: 0x3fb93 * 2, ssrcs: [15])),
    [0x8f, 206, 0, 5, 0, 0, 0, 14, 0, 0, 0, 0, 0x52, 0x45, 0x4d, 0x42, 1, 0x07, 0xfb, 0x93, 0, 0, 0, 15]
  ),
  (
    .unknown(RawRTCPPacket(count: 0, packetType: 207, content: [0, 0, 0, 1, 4, 0, 0, 0])),
    [0x80, 207, 0, 2, 0, 0, 0, 1, 4, 0, 0, 0]
  ),
]

@Suite struct RTCPPacketTests {
  @Test(arguments: vectors.indices) func valueAndBytes(_ index: Int) throws {
    let (packet, bytes) = vectors[index]
    #expect(RTCPPacket.encode([packet]) == bytes)
    #expect(try RTCPPacket.decode(compound: bytes) == [packet])
  }

  @Test func compoundKeepsOrder() throws {
    let bytes = vectors.flatMap(\.bytes)
    #expect(try RTCPPacket.decode(compound: bytes) == vectors.map(\.packet))
    #expect(RTCPPacket.encode(vectors.map(\.packet)) == bytes)
  }

  /// A cut anywhere inside a packet is an error, never a crash or a shorter list.
  @Test(arguments: vectors.indices) func truncated(_ index: Int) {
    let bytes = vectors[index].bytes
    for length in 0..<bytes.count {
      #expect(throws: RTCPError.self) { try RTCPPacket.decode(compound: Array(bytes.prefix(length))) }
    }
  }

  /// A length field that ends the packet early, in every message whose content cannot be shorter.
  @Test func contentShorterThanAnnounced() {
    for (packet, bytes) in vectors {
      // Without its identifier, REMB is some other application's feedback.
      switch packet {
      case .unknown, .remb: continue
      default: break
      }
      let short = [bytes[0], bytes[1], 0, 0]
      #expect(throws: RTCPError.truncatedBody(packetType: bytes[1])) { try RTCPPacket.decode(compound: short) }
    }
  }

  @Test func errorsSayWhat() {
    #expect(throws: RTCPError.truncatedHeader) { try RTCPPacket.decode(compound: []) }
    #expect(throws: RTCPError.badVersion(1)) { try RTCPPacket.decode(compound: [0x40, 200, 0, 0]) }
    #expect(throws: RTCPError.truncatedPacket(packetType: 201)) { try RTCPPacket.decode(compound: [0x80, 201, 0, 1]) }
    for padding: UInt8 in [0, 5] {
      #expect(throws: RTCPError.badPadding(packetType: 207)) {
        try RTCPPacket.decode(compound: [0xa0, 207, 0, 1, 0, 0, 0, padding])
      }
    }
    #expect(throws: RTCPError.badPadding(packetType: 207)) { try RTCPPacket.decode(compound: [0xa0, 207, 0, 0]) }
  }

  @Test func unknownPacketWithPaddingIsKeptBitForBit() throws {
    let bytes: [UInt8] = [0xa5, 210, 0, 2, 1, 2, 3, 4, 9, 9, 9, 4]
    let packets = try RTCPPacket.decode(compound: bytes)
    guard case .unknown(let raw) = packets.first else {
      Issue.record("not unknown: \(packets)")
      return
    }
    #expect(raw.count == 5 && raw.packetType == 210 && Array(raw.content) == [1, 2, 3, 4])
    #expect(RTCPPacket.encode(packets) == bytes)
  }

  @Test func feedbackOfUnknownFormatIsRaw() throws {
    for packetType: UInt8 in [205, 206] {
      let bytes: [UInt8] = [0x9e, packetType, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]
      let raw = RawRTCPPacket(count: 30, packetType: packetType, content: Array(bytes.dropFirst(4)))
      #expect(try RTCPPacket.decode(compound: bytes) == [.unknown(raw)])
    }
    let otherApplication: [UInt8] = [0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0x41, 0x42, 0x43, 0x44]
    guard case .unknown = try RTCPPacket.decode(compound: otherApplication).first else {
      Issue.record("application feedback without REMB must stay raw")
      return
    }
  }
}

/// What implementations of all ages get wrong, one part at a time: the rest counts.
@Suite struct RTCPCompoundTests {
  private static let report: [UInt8] = vectors[0].bytes
  private static let pli: [UInt8] = vectors[7].bytes

  private static let faulty: [(what: String, bytes: [UInt8], read: RTCPPacket?)] = [
    (
      "SDES without its null", [0x81, 202, 0, 4, 0, 0, 0, 3, 1, 10] + Array("camera1234".utf8),
      .sdes(SDES(ssrc: 3, cname: "camera1234"))
    ),
    (
      "SDES item too long", [0x81, 202, 0, 3, 0, 0, 0, 3, 1, 64, 0x61, 0x62, 0x63, 0x64, 0, 0],
      .sdes(SDES(chunks: [SDES.Chunk(ssrc: 3, items: [])]))
    ),
    (
      "SDES with a chunk too few", [0x82, 202, 0, 3, 0, 0, 0, 3, 1, 2, 0x61, 0x62, 0, 0, 0, 0],
      .sdes(SDES(ssrc: 3, cname: "ab"))
    ),
    ("RR without its block", [0x81, 201, 0, 1, 0, 0, 0, 2], .receiverReport(ReceiverReport(ssrc: 2))),
    ("BYE whose reason is too long", [0x81, 203, 0, 2, 0, 0, 0, 4, 0xff, 0x61, 0x62, 0], .bye(BYE(ssrcs: [4]))),
    ("BYE with a source too few", [0x82, 203, 0, 1, 0, 0, 0, 4], .bye(BYE(ssrcs: [4]))),
    (
      "FIR with four bytes more", [0x84, 206, 0, 5, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 12, 13, 0, 0, 0, 0, 0, 0, 0],
      .fir(FIR(senderSSRC: 11, entries: [.init(ssrc: 12, sequenceNumber: 13)]))
    ),
    (
      "REMB that announces too many",
      [0x8f, 206, 0, 5, 0, 0, 0, 14, 0, 0, 0, 0, 0x52, 0x45, 0x4d, 0x42, 9, 0, 0, 8, 0, 0, 0, 15],
      .remb(REMB(senderSSRC: 14, bitrate: 8, ssrcs: [15]))
    ),
    ("padding of 0", [0xa1, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0], .pli(PLI(senderSSRC: 9, mediaSSRC: 0))),
    ("NACK without media", [0x81, 205, 0, 1, 0, 0, 0, 5], nil),
    ("transport feedback of nothing", [0x8f, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0], nil),
  ]

  @Test(arguments: faulty.indices) func theRestCounts(index: Int) {
    let (what, bytes, read) = Self.faulty[index]
    let compound = RTCPCompound(Self.report + bytes + Self.pli)
    #expect(compound.packets == [vectors[0].packet] + (read.map { [$0] } ?? []) + [vectors[7].packet], "\(what)")
    #expect(compound.faults.count == 1, "\(what)")
  }

  @Test(arguments: [[0], [0, 0, 0], [0, 0, 0, 0], [0x80, 0, 0, 1], [0x40, 200, 0, 0]] as [[UInt8]])
  func whatFollowsWithoutBeingAPacketChangesNothing(tail: [UInt8]) {
    let compound = RTCPCompound(Self.report + tail)
    #expect(compound.packets.first == vectors[0].packet && compound.faults.count == 1)
  }

  @Test func aPacketThatGoesOnBeyondTheDatagramEndsWithIt() {
    var long = Self.pli
    long[3] = 9
    let compound = RTCPCompound(Self.report + long + [0])
    #expect(compound.packets == [vectors[0].packet, vectors[7].packet])
    #expect(compound.faults == [.truncatedPacket(packetType: 206)])
  }

  @Test func nothingIsNothing() {
    #expect(RTCPCompound([]).packets.isEmpty && RTCPCompound([]).faults == [.truncatedHeader])
  }
}

@Suite struct RTCPMessageTests {
  private func reread(_ packet: RTCPPacket) throws -> RTCPPacket? {
    try RTCPPacket.decode(compound: RTCPPacket.encode([packet])).first
  }

  @Test(
    arguments: [
      (0, 0), (1000, 1000), (0x3ffff, 0x3ffff), (0x40001, 0x40000), (UInt64.max, UInt64(0x3ffff) << 46),
    ] as [(UInt64, UInt64)])
  func rembRoundsDown(_ bitrate: UInt64, _ expected: UInt64) throws {
    #expect(
      try reread(.remb(REMB(senderSSRC: 1, bitrate: bitrate, ssrcs: [])))
        == .remb(REMB(senderSSRC: 1, bitrate: expected, ssrcs: [])))
  }

  @Test func rembSaturates() throws {
    let bytes: [UInt8] = [0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4d, 0x42, 0, 0xff, 0xff, 0xff]
    #expect(
      try RTCPPacket.decode(compound: bytes) == [.remb(REMB(senderSSRC: 1, bitrate: .max, ssrcs: []))])
  }

  @Test func rembSourceCountBeyondContent() {
    let bytes: [UInt8] = [0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4d, 0x42, 1, 0, 0, 1]
    #expect(throws: RTCPError.truncatedBody(packetType: 206)) { try RTCPPacket.decode(compound: bytes) }
  }

  @Test func nackDropsRepetitionsAndKeepsOrder() throws {
    #expect(
      try reread(.nack(NACK(senderSSRC: 1, mediaSSRC: 2, lost: [5, 5, 7, 7, 6, 30])))
        == .nack(NACK(senderSSRC: 1, mediaSSRC: 2, lost: [5, 7, 6, 30])))
  }

  @Test(arguments: [(Int32.max, 0x7f_ffff), (.min, -0x80_0000), (-1, -1), (0, 0)] as [(Int32, Int32)])
  func cumulativeLossSaturatesAt24Bits(_ lost: Int32, _ expected: Int32) throws {
    let report = ReceiverReport(ssrc: 1, blocks: [ReportBlock(ssrc: 2, cumulativeLost: lost)])
    guard case .receiverReport(let read) = try reread(.receiverReport(report)) else { return }
    #expect(read.blocks.first?.cumulativeLost == expected)
  }

  @Test func reportsHoldThirtyOneBlocks() throws {
    let blocks = (0..<40).map { ReportBlock(ssrc: $0) }
    #expect(
      try reread(.receiverReport(ReceiverReport(ssrc: 1, blocks: blocks)))
        == .receiverReport(ReceiverReport(ssrc: 1, blocks: Array(blocks.prefix(31)))))
  }

  /// Every length of a name ends in at least one null, at a 32-bit boundary.
  @Test(arguments: 0..<9) func sdesChunkBoundary(_ length: Int) throws {
    let name = String(repeating: "x", count: length)
    let sdes = SDES(chunks: SDES(ssrc: 1, cname: name).chunks + SDES(ssrc: 2, cname: "second").chunks)
    let bytes = RTCPPacket.encode([.sdes(sdes)])
    #expect(bytes[10 + length] == 0)
    let packets = try RTCPPacket.decode(compound: bytes)
    #expect(packets == [.sdes(sdes)])
    #expect(sdes.cname(of: 1) == name && sdes.cname(of: 2) == "second" && sdes.cname(of: 3) == nil)
  }

  @Test func textsAreCutAt255Bytes() throws {
    let long = String(repeating: "y", count: 300)
    #expect(BYE(ssrcs: [], reason: long).reason?.count == 255)
    let sdes = SDES(ssrc: 1, cname: long)
    #expect(try reread(.sdes(sdes)) == .sdes(sdes))
    #expect(sdes.cname(of: 1)?.count == 255)
  }

  @Test func byeReasonBeyondContent() {
    #expect(throws: RTCPError.truncatedBody(packetType: 203)) {
      try RTCPPacket.decode(compound: [0x80, 203, 0, 1, 4, 0x61, 0x61, 0x61])
    }
  }
}
