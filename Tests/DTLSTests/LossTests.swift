import DTLS
import Testing
import Wire

/// The handshake over networks that lose, repeat, delay and damage datagrams.
@Suite struct LossTests {
  static let handshake: [Pair.Datagram] = {
    guard let pair = try? Pair() else { return [] }
    pair.start()
    pair.deliver()
    return pair.sent
  }()

  @Test(arguments: 0..<4) func oneLostDatagramIsRepairedByATimeout(lost: Int) throws {
    #expect(Self.handshake.count >= 4)
    let pair = try Pair()
    let begin = pair.now
    pair.network = { $0.number == lost ? [] : [$0] }
    pair.start()
    pair.run()
    #expect(pair.isConnected)
    #expect(pair.now.since(begin) >= .milliseconds(50), "a timeout must have come")
    #expect(pair.now.since(begin) <= .milliseconds(200))
  }

  @Test func theFirstSixDatagramsAreLost() throws {
    let pair = try Pair()
    pair.network = { $0.number < 6 ? [] : [$0] }
    pair.start()
    pair.run()
    #expect(pair.isConnected)
  }

  @Test(arguments: 1...8 as ClosedRange<UInt64>) func randomLossOfFortyPercent(seed: UInt64) throws {
    var state = seed &* 0x9e37_79b9_7f4a_7c15
    let pair = try Pair()
    pair.network = { datagram in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % 10 < 4 ? [] : [datagram]
    }
    pair.start()
    pair.run()
    #expect(pair.isConnected)
  }

  @Test func everyDatagramComesTwice() throws {
    let pair = try Pair()
    pair.network = { [$0, $0] }
    pair.start()
    pair.run()
    #expect(pair.isConnected)
  }

  @Test func flightsArriveInReverse() throws {
    let pair = try Pair()
    pair.start()
    while !pair.inFlight.isEmpty {
      let flight = pair.inFlight.reversed()
      pair.inFlight = Array(flight.dropFirst())
      flight.first.map { first in
        let association = first.to == .client ? pair.client : pair.server
        pair.take(association.received(first.bytes, now: pair.now), from: first.to)
      }
    }
    pair.run()
    #expect(pair.isConnected)
  }

  @Test func retransmissionsBackOffUntilTheLimit() throws {
    let pair = try Pair()
    pair.network = { _ in [] }
    let begin = pair.now
    pair.take(pair.client.start(now: pair.now), from: .client)
    var moments: [Interval] = []
    while let next = pair.client.nextTimeout {
      #expect(pair.client.timeout(now: Instant(nanoseconds: next.nanoseconds - 1)).isEmpty, "never before its time")
      pair.now = next
      moments.append(next.since(begin))
      pair.take(pair.client.timeout(now: next), from: .client)
    }
    #expect(moments.prefix(4).map(\.nanoseconds) == [50, 150, 350, 750].map { $0 * 1_000_000 })
    #expect(moments.last == DTLSAssociation.handshakeLimit)
    #expect(pair.ended[.client] == .failed(.timeout))
    #expect(pair.sent.count == moments.count)  // one ClientHello at first, one for each timeout but the last
  }

  @Test func aServerWithoutAClientTimesOut() throws {
    let pair = try Pair()
    pair.take(pair.server.start(now: pair.now), from: .server)
    pair.run()
    #expect(pair.ended[.server] == .failed(.timeout))
  }
}

@Suite struct GarbageTests {
  /// Datagrams nobody should fall over, `valid` damaged in several ways among them.
  static func garbage(from valid: [UInt8]) -> [[UInt8]] {
    var all: [[UInt8]] = [
      [], [22], [22, 0xfe, 0xfd], Array(repeating: 0, count: 13), Array(repeating: 0xff, count: 1500),
    ]
    all.append(Array(repeating: 23, count: 20_000))
    all.append([22, 0xfe, 0xfd] + Array(repeating: 0, count: 8) + [0xff, 0xff])
    all += stride(from: 1, to: valid.count, by: 7).map { Array(valid.prefix($0)) }
    if valid.count > 13 { all.append(Array(valid.dropFirst(13))) }
    return all
  }

  @Test func garbageAndTruncationAtEveryStageDoNotStopAHandshake() throws {
    let pair = try Pair()
    pair.network = { datagram in
      Self.garbage(from: datagram.bytes).map { Pair.Datagram(to: datagram.to, bytes: $0, number: datagram.number) } + [
        datagram
      ]
    }
    pair.start()
    pair.run()
    #expect(pair.isConnected)
  }

  @Test func damagedEncryptedRecordsAreIgnoredAfterTheHandshake() throws {
    let pair = try Pair()
    pair.start()
    pair.deliver()
    guard case .send(var alert)? = pair.client.close().first else {
      Issue.record("no close_notify")
      return
    }
    alert[alert.count - 1] ^= 1
    #expect(pair.server.received(alert, now: pair.now).isEmpty)
    alert[alert.count - 1] ^= 1
    #expect(pair.server.received(alert, now: pair.now).contains(.closed))
  }

  @Test func aHandshakeMessageOfNonsenseFailsWithAReason() throws {
    let pair = try Pair()
    pair.start()
    // A ServerHello of one byte where the server expects a ClientHello.
    let message: [UInt8] = [2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    let record: [UInt8] = [22, 0xfe, 0xfd] + Array(repeating: 0, count: 8) + [0, UInt8(message.count)] + message
    pair.take(pair.server.received(record, now: pair.now), from: .server)
    guard case .failed(.protocolError(let reason))? = pair.ended[.server] else {
      Issue.record("\(String(describing: pair.ended[.server]))")
      return
    }
    #expect(!reason.isEmpty)
    #expect(pair.server.received(record, now: pair.now).isEmpty)
  }
}
