import RTP
import Testing
import Wire

private func milliseconds(_ n: UInt64) -> Instant { Instant(nanoseconds: n * 1_000_000) }

/// When each packet arrived, in 250 µs.
private func ticks(of feedback: TransportFeedback) -> [Int] {
  var ticks = Int(feedback.referenceTime) * 256
  return feedback.arrivals.map {
    ticks += Int($0.delta)
    return ticks
  }
}

private func decode(_ bytes: [UInt8]) throws -> TransportFeedback? {
  guard case .transportFeedback(let feedback) = try RTCPPacket.decode(compound: bytes).first else { return nil }
  return feedback
}

@Suite struct TransportFeedbackTests {
  /// One packet, small delta, padding with P bit: as browsers send it.
  private let captured: [UInt8] = [
    0xaf, 0xcd, 0x00, 0x05, 0xfa, 0x17, 0xfa, 0x17, 0x43, 0x03, 0x2f, 0xa0, 0x00, 0x99, 0x00, 0x01, 0x3d, 0xe8, 0x02,
    0x17, 0x20, 0x01, 0x94, 0x01,
  ]

  @Test func captureToValueToTheSameBytes() throws {
    let feedback = try #require(try decode(captured))
    #expect(feedback.senderSSRC == 0xfa17_fa17 && feedback.mediaSSRC == 0x4303_2fa0)
    #expect(feedback.baseSequence == 153 && feedback.packetCount == 1)
    #expect(feedback.referenceTime == 4_057_090 && feedback.feedbackCount == 23)
    #expect(feedback.arrivals == [.init(sequence: 153, delta: 148)])
    #expect(RTCPPacket.encode([.transportFeedback(feedback)]) == captured)
  }

  /// Chunks and deltas of a body with `count` packets from 0 on: reference time and feedback count 0.
  private func body(count: UInt8, _ chunksAndDeltas: [UInt8]) -> [UInt8] {
    let content: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, count, 0, 0, 0, 0] + chunksAndDeltas
    return RTCPPacket.encode([.unknown(RawRTCPPacket(count: 15, packetType: 205, content: content))])
  }

  @Test func everyKindOfChunk() throws {
    // Run of 3 missing; one-bit 1 0 1 …0; two-bit: large, missing, small, …; the last one beyond the count.
    let chunks: [UInt8] = [0x00, 3, 0xa8, 0x00, 0xe1, 0x00]
    let bytes = body(count: 20, chunks + [10, 20, 0xff, 0xfe, 7])
    let feedback = try #require(try decode(bytes))
    #expect(
      feedback.arrivals == [
        .init(sequence: 3, delta: 10), .init(sequence: 5, delta: 20), .init(sequence: 17, delta: -2),
        .init(sequence: 19, delta: 7),
      ])
  }

  @Test func malformed() {
    #expect(throws: RTCPError.emptyFeedback) { try decode(body(count: 0, [0x20, 0])) }
    #expect(throws: RTCPError.reservedStatusSymbol) { try decode(body(count: 1, [0x60, 1, 0, 0])) }
    #expect(throws: RTCPError.reservedStatusSymbol) { try decode(body(count: 1, [0xf0, 0, 0, 0])) }
    // Chunks missing, deltas missing, second byte of a large delta missing.
    #expect(throws: RTCPError.truncatedBody(packetType: 205)) { try decode(body(count: 9, [0x20, 1])) }
    #expect(throws: RTCPError.truncatedBody(packetType: 205)) { try decode(body(count: 3, [0x20, 3, 1, 2])) }
    #expect(throws: RTCPError.truncatedBody(packetType: 205)) { try decode(body(count: 1, [0x40, 1, 1])) }
  }

  @Test func runOfReceivedIsBoundedByThePacket() {
    #expect(throws: RTCPError.truncatedBody(packetType: 205)) { try decode(body(count: 255, [0x3f, 0xff, 1, 1])) }
  }

  @Test func symbolsBehindTheCountDoNotMatter() throws {
    let feedback = try decode(body(count: 1, [0xdf, 0xff, 5]))
    #expect(feedback?.arrivals == [.init(sequence: 0, delta: 5)])
  }

  @Test func initRejectsWhatCannotBeEncoded() {
    func feedback(count: UInt16, _ sequences: [UInt16]) -> TransportFeedback? {
      TransportFeedback(
        senderSSRC: 1, mediaSSRC: 2, baseSequence: 65534, packetCount: count, referenceTime: 0, feedbackCount: 0,
        arrivals: sequences.map { .init(sequence: $0, delta: 0) })
    }
    #expect(feedback(count: 4, [65534, 65535, 1]) != nil)
    #expect(feedback(count: 0, []) == nil)
    #expect(feedback(count: 4, [2]) == nil)
    #expect(feedback(count: 4, [0, 0]) == nil)
    #expect(feedback(count: 4, [0, 65535]) == nil)
  }

  /// Chunk choice, by pattern: S small, L large, . missing.
  @Test(
    arguments: [
      ("SSS", [0x2003]), ("S.S", [0xd100]), ("SSSSSSSS.", [0xbfc0]), ("SSSSSSSL", [0x2007, 0x4001]),
      ("SSSSSSL", [0xd556]), ("S..............S", [0xa000, 0xc400]), ("SSSSSSSS.L", [0xd555, 0xd200]),
      ("SSSSSSSSSSSSSSS", [0x200f]), ("S............L", [0xd000, 0xc002]),
    ] as [(String, [UInt16])])
  func chunks(_ pattern: String, _ expected: [UInt16]) throws {
    let arrivals = pattern.enumerated().filter { $0.element != "." }
      .map { TransportFeedback.Arrival(sequence: UInt16($0.offset), delta: $0.element == "S" ? 1 : -1) }
    let feedback = try #require(
      TransportFeedback(
        senderSSRC: 1, mediaSSRC: 2, baseSequence: 0, packetCount: UInt16(pattern.count), referenceTime: 0,
        feedbackCount: 0, arrivals: arrivals))
    let bytes = RTCPPacket.encode([.transportFeedback(feedback)])
    let chunks = expected.indices.map { UInt16(bytes[20 + $0 * 2]) << 8 | UInt16(bytes[21 + $0 * 2]) }
    #expect(chunks == expected)
    #expect(try decode(bytes) == feedback)
  }

  /// Any mix of statuses and gaps survives the wire.
  @Test func randomFeedbackRoundTrips() throws {
    var generator = SplitMix(state: 42)
    for _ in 0..<500 {
      let base = UInt16.random(in: 0...UInt16.max, using: &generator)
      var offset = 0
      var arrivals: [TransportFeedback.Arrival] = []
      while arrivals.count < Int.random(in: 1...80, using: &generator) {
        offset += [1, 1, 1, 2, 9, 40, 9000].randomElement(using: &generator) ?? 1
        guard offset < 65535 else { break }
        let delta =
          Bool.random(using: &generator)
          ? Int16.random(in: 0...255, using: &generator)
          : Int16.random(in: .min ... .max, using: &generator)
        arrivals.append(.init(sequence: base &+ UInt16(offset), delta: delta))
      }
      let feedback = try #require(
        TransportFeedback(
          senderSSRC: 1, mediaSSRC: 2, baseSequence: base, packetCount: UInt16(min(offset + 3, 65535)),
          referenceTime: 0xff_ffff, feedbackCount: 255, arrivals: arrivals))
      let bytes = RTCPPacket.encode([.transportFeedback(feedback)])
      #expect(try decode(bytes) == feedback)
      let read = try #require(FeedbackReading(bytes)).packets.filter { $0.ticks != nil }
      #expect(read.map(\.sequence) == arrivals.map(\.sequence))
      #expect(read.map { $0.ticks ?? 0 } == ticks(of: feedback))
    }
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

@Suite struct TransportFeedbackBuilderTests {
  private func build(_ builder: inout TransportFeedbackBuilder) -> [TransportFeedback] {
    let packets = builder.build(senderSSRC: 1, mediaSSRC: 2)
    // What is built always survives the wire, within one datagram.
    for packet in packets {
      let bytes = RTCPPacket.encode([.transportFeedback(packet)])
      #expect(bytes.count <= 1200)
      #expect((try? decode(bytes)) == packet)
      #expect(FeedbackReading(bytes)?.packets.count == Int(packet.packetCount))
    }
    return packets
  }

  @Test func nothingRecordedNothingBuilt() {
    var builder = TransportFeedbackBuilder()
    #expect(builder.isEmpty && build(&builder).isEmpty)
    builder.record(1, at: .zero)
    #expect(!builder.isEmpty && build(&builder).count == 1)
    #expect(builder.isEmpty && build(&builder).isEmpty)
  }

  @Test func referenceTimeAndDeltas() throws {
    var builder = TransportFeedbackBuilder()
    builder.record(10, at: milliseconds(130))
    builder.record(11, at: milliseconds(131))
    builder.record(12, at: Instant(nanoseconds: 131_130_000))
    let packet = try #require(build(&builder).first)
    #expect(packet.baseSequence == 10 && packet.packetCount == 3 && packet.referenceTime == 2)
    // 130 ms - 128 ms = 8 quarters; 4 more; 0.13 ms rounds to one.
    #expect(packet.arrivals.map(\.delta) == [8, 4, 1])
  }

  @Test func roundingDoesNotAccumulate() throws {
    var builder = TransportFeedbackBuilder()
    // 100 µs apart rounds to 0 each; together it is 9.9 ms.
    for index in UInt16(0)..<100 { builder.record(index, at: Instant(nanoseconds: UInt64(index) * 100_000)) }
    let packet = try #require(build(&builder).first)
    #expect(ticks(of: packet).last == 40)
  }

  @Test func continuesFromTheLastReportedAndCounts() {
    var builder = TransportFeedbackBuilder()
    builder.record(65533, at: milliseconds(1))
    let first = build(&builder)
    builder.record(2, at: milliseconds(50))
    let second = build(&builder)
    #expect(first.map(\.feedbackCount) == [0] && second.map(\.feedbackCount) == [1])
    #expect(second.first?.baseSequence == 65534)
    #expect(second.first?.packetCount == 5)
    #expect(second.first?.arrivals.map(\.sequence) == [2])
  }

  @Test func feedbackCountWraps() {
    var builder = TransportFeedbackBuilder()
    let counts = (0..<258).flatMap { index in
      builder.record(UInt16(index), at: milliseconds(UInt64(index)))
      return builder.build(senderSSRC: 1, mediaSSRC: 2).map(\.feedbackCount)
    }
    #expect(Array(counts.suffix(3)) == [255, 0, 1])
  }

  @Test func reorderedWithinOneFeedbackHasNegativeDelta() throws {
    var builder = TransportFeedbackBuilder()
    builder.record(1, at: milliseconds(64))
    builder.record(3, at: milliseconds(65))
    builder.record(2, at: milliseconds(70))
    let packet = try #require(build(&builder).first)
    #expect(packet.arrivals.map(\.sequence) == [1, 2, 3])
    #expect(packet.arrivals.map(\.delta) == [0, 24, -20])
  }

  @Test func lateAfterItWasReportedMissing() {
    var builder = TransportFeedbackBuilder()
    builder.record(1, at: milliseconds(10))
    builder.record(3, at: milliseconds(12))
    #expect(build(&builder).first?.arrivals.map(\.sequence) == [1, 3])
    builder.record(2, at: milliseconds(40))
    builder.record(4, at: milliseconds(41))
    let packets = build(&builder)
    // Starts over at the late packet; what arrived behind it is repeated, and nothing is claimed lost that was not.
    #expect(packets.count == 1)
    #expect(packets.first?.baseSequence == 2)
    #expect(packets.first?.arrivals.map(\.sequence) == [2, 3, 4])
    builder.record(5, at: milliseconds(42))
    #expect(build(&builder).first?.baseSequence == 5)
  }

  @Test func lateAloneRepeatsNothing() {
    var builder = TransportFeedbackBuilder()
    for sequence: UInt16 in [1, 3, 4] { builder.record(sequence, at: milliseconds(10)) }
    _ = build(&builder)
    builder.record(2, at: milliseconds(11))
    #expect(build(&builder).map { $0.arrivals.map(\.sequence) } == [[2]])
    builder.record(6, at: milliseconds(12))
    #expect(build(&builder).first?.baseSequence == 5)
  }

  @Test func duplicatesCountOnce() {
    var builder = TransportFeedbackBuilder()
    builder.record(7, at: milliseconds(1))
    builder.record(7, at: milliseconds(2))
    #expect(build(&builder).first?.arrivals.count == 1)
    builder.record(7, at: milliseconds(3))
    #expect(build(&builder).isEmpty)
  }

  @Test func historyEndsAfterItsWindow() {
    var builder = TransportFeedbackBuilder()
    builder.record(1, at: milliseconds(0))
    builder.record(3, at: milliseconds(0))
    _ = build(&builder)
    builder.record(4, at: milliseconds(501))
    _ = build(&builder)
    builder.record(2, at: milliseconds(502))
    builder.record(5, at: milliseconds(503))
    // 3 is forgotten, so it is not repeated.
    #expect(build(&builder).first?.arrivals.map(\.sequence) == [2, 4, 5])
  }

  @Test func splitsWhereADeltaDoesNotFit() {
    var builder = TransportFeedbackBuilder()
    builder.record(1, at: milliseconds(0))
    builder.record(2, at: milliseconds(8_191))
    builder.record(4, at: milliseconds(8_191 + 8_192))
    let packets = build(&builder)
    #expect(packets.map { $0.arrivals.map(\.sequence) } == [[1, 2], [4]])
    #expect(packets.map(\.feedbackCount) == [0, 1])
    #expect(packets.last?.baseSequence == 3)
    #expect(packets.last?.referenceTime == 255)
  }

  @Test func splitsAtALongGap() {
    var builder = TransportFeedbackBuilder()
    builder.record(0, at: milliseconds(0))
    builder.record(8_191, at: milliseconds(1))
    builder.record(20_000, at: milliseconds(2))
    let packets = build(&builder)
    #expect(packets.map(\.baseSequence) == [0, 20_000])
    #expect(packets.map(\.packetCount) == [8_192, 1])
  }

  /// A long gap between two feedbacks is not reported as thousands of losses either.
  @Test func longGapBetweenFeedbacksStartsAnew() {
    var builder = TransportFeedbackBuilder()
    builder.record(0, at: milliseconds(0))
    _ = build(&builder)
    builder.record(30_000, at: milliseconds(1))
    #expect(build(&builder).first?.baseSequence == 30_000)
  }

  @Test func senderThatRestartsItsCountIsFollowed() {
    var builder = TransportFeedbackBuilder()
    builder.record(30_000, at: milliseconds(0))
    _ = build(&builder)
    builder.record(5, at: milliseconds(50))
    #expect(build(&builder).map(\.baseSequence) == [5])
    builder.record(8, at: milliseconds(100))
    #expect(build(&builder).map(\.baseSequence) == [6])
  }

  @Test func splitsManyArrivals() {
    var builder = TransportFeedbackBuilder()
    for index in UInt16(0)..<1000 { builder.record(index &* 3, at: milliseconds(UInt64(index) * 100)) }
    let packets = build(&builder)
    #expect(packets.flatMap(\.arrivals).map(\.sequence) == (UInt16(0)..<1000).map { $0 * 3 })
    #expect(packets.map(\.feedbackCount) == [0, 1, 2, 3, 4, 5])
  }

  /// The worst case for the size: every arrival behind a gap of its own, every delta two bytes.
  @Test func worstCaseStillFitsOneDatagram() {
    var builder = TransportFeedbackBuilder()
    for index in UInt16(0)..<190 { builder.record(index * 16, at: milliseconds(UInt64(index) * 100)) }
    #expect(build(&builder).count == 1)
  }

  /// Transcript against a sender that forgets a packet once it is told that it arrived: each arrival is told, exactly, and
  /// no packet that did not arrive ever is. Bytes are read independently of the module.
  @Test func senderLearnsEveryArrivalThroughLossAndReordering() throws {
    var generator = SplitMix(state: 7)
    var builder = TransportFeedbackBuilder()
    var arrived: [UInt16: Int] = [:]
    var told: [UInt16: Int] = [:]
    var reported: Set<UInt16> = []
    var now: UInt64 = 0
    var sequences = (60_000..<68_000).map { UInt16(truncatingIfNeeded: $0) }
    for index in 0..<sequences.count - 30 where Int.random(in: 0..<10, using: &generator) == 0 {
      sequences.swapAt(index, index + Int.random(in: 1...30, using: &generator))
    }
    for (index, sequence) in sequences.enumerated() {
      now += UInt64.random(in: 0...2_000_000, using: &generator)
      if Int.random(in: 0..<20, using: &generator) > 0 {
        builder.record(sequence, at: Instant(nanoseconds: now))
        arrived[sequence] = Int((now + 125_000) / 250_000)
      }
      guard index % 50 == 49 || index == sequences.count - 1 else { continue }
      for packet in build(&builder) {
        let reading = try #require(FeedbackReading(RTCPPacket.encode([.transportFeedback(packet)])))
        for (sequence, ticks) in reading.packets {
          reported.insert(sequence)
          guard let ticks else { continue }
          #expect(told[sequence] == nil || told[sequence] == ticks)
          told[sequence] = ticks
        }
      }
    }
    #expect(told == arrived)
    // Losses too: everything from the first to the last arrival was reported on.
    #expect(reported.count >= 7990)
  }
}
