import DTLS
import SRTP
import Testing
import Wire

@Suite struct HandshakeTests {
  @Test func bothSidesExportTheSameKeysWithoutTimeouts() throws {
    let pair = try Pair()
    pair.start()
    pair.deliver()
    #expect(pair.isConnected)
    #expect(pair.keys[.client]?.profile == .aeadAES128GCM)
    #expect(pair.client.nextTimeout == nil)
    #expect(pair.server.nextTimeout == nil)
  }

  @Test func noDatagramExceedsTheMTU() throws {
    let pair = try Pair()
    pair.start()
    pair.deliver()
    #expect(!pair.sent.isEmpty)
    #expect(pair.sent.allSatisfy { $0.bytes.count <= DTLSAssociation.mtu })
    #expect(pair.sent.allSatisfy { (20...63).contains($0.bytes[0]) })
  }

  @Test func theServerWaitsForTheClient() throws {
    let pair = try Pair()
    #expect(pair.server.start(now: pair.now).isEmpty)
    #expect(pair.server.nextTimeout == pair.now.advanced(by: DTLSAssociation.handshakeLimit))
  }

  @Test func aServerThatWasNotStartedAnswersTheFirstDatagram() throws {
    let pair = try Pair()
    pair.take(pair.client.start(now: pair.now), from: .client)
    pair.deliver()
    #expect(pair.isConnected)
  }

  @Test func startingTwiceSendsOneClientHello() throws {
    let pair = try Pair()
    #expect(pair.client.start(now: pair.now).count == 1)
    #expect(pair.client.start(now: pair.now).isEmpty)
  }

  @Test func manyAssociationsShareACertificate() throws {
    for _ in 0..<20 {
      let pair = try Pair()
      pair.start()
      pair.deliver()
      #expect(pair.isConnected)
    }
  }

  @Test func theFailureOfOneAssociationLeavesAnotherAlone() throws {
    let failing = try Pair(clientAccepts: [("sha-256", String(repeating: "00:", count: 31) + "00")])
    let good = try Pair()
    failing.start()
    good.start()
    while !failing.inFlight.isEmpty || !good.inFlight.isEmpty {
      if !failing.inFlight.isEmpty { failing.deliverOne() }
      if !good.inFlight.isEmpty { good.deliverOne() }
    }
    #expect(failing.ended[.client] == .failed(.fingerprintMismatch))
    #expect(good.isConnected)
  }
}

@Suite struct ClosingTests {
  @Test(arguments: [Pair.Side.client, .server]) func closeNotifyEndsBothSides(side: Pair.Side) throws {
    let pair = try Pair()
    pair.start()
    pair.deliver()
    let closing = side == .client ? pair.client : pair.server
    let outputs = closing.close()
    #expect(outputs.count == 1)
    pair.take(outputs, from: side)
    pair.deliver()
    #expect(pair.ended[side == .client ? .server : .client] == .closed)
    #expect(pair.ended[side] == nil)
    #expect(closing.close().isEmpty)
  }

  @Test func closingBeforeTheHandshakeSendsNothing() throws {
    let pair = try Pair()
    #expect(pair.client.close().isEmpty)
    #expect(pair.client.start(now: pair.now).isEmpty)
    #expect(pair.client.nextTimeout == nil)
  }

  @Test func nothingIsProcessedAfterTheEnd() throws {
    let pair = try Pair()
    pair.start()
    _ = pair.server.close()
    pair.deliver()
    #expect(pair.sent.count == 1)
    #expect(pair.keys.isEmpty)
  }

  @Test func lateCopiesOfTheHandshakeDoNotEndAConnection() throws {
    let pair = try Pair()
    pair.start()
    pair.deliver()
    for datagram in pair.sent {
      let outputs =
        datagram.to == .client
        ? pair.client.received(datagram.bytes, now: pair.now) : pair.server.received(datagram.bytes, now: pair.now)
      for case .failed(let failure) in outputs { Issue.record("\(failure)") }
    }
    pair.take(pair.client.close(), from: .client)
    pair.deliver()
    #expect(pair.ended[.server] == .closed)
  }
}
