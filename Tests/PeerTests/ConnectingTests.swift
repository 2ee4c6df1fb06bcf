import DTLS
import ICE
import Peer
import RTP
import Testing
import Wire

@Suite struct ConnectingTests {
  @Test(arguments: [DTLSRole.server, .client]) func fromTheFirstCheckToKeys(role: DTLSRole) throws {
    let call = try Call(peerRole: role)
    #expect(call.peer.state == .new)
    call.setRemote()
    #expect(call.peer.state == .checking)
    call.check()
    #expect(call.peer.state == .connecting)
    #expect(call.peer.selected == Call.home)
    call.handshake()
    #expect(call.peer.state == .connected)
    #expect(call.connections == 1)
    guard case .connected(Call.home, let inbound, let outbound)? = call.events.first else {
      Issue.record("\(call.events)")
      return
    }
    #expect(inbound != outbound)
    #expect(call.browserSRTCP != nil)
  }

  @Test func theClientHelloComesWithTheFirstSelection() throws {
    let call = try Call(peerRole: .client)
    call.setRemote()
    call.check(nominate: false)
    #expect(call.sent.allSatisfy { DatagramKind($0.bytes) == .stun })
    call.check(nominate: true)
    #expect(call.sent.last.map { DatagramKind($0.bytes) } == .dtls)
    #expect(call.sent.last?.tuple == Call.home)
  }

  @Test func checksMayComeBeforeTheDescription() throws {
    let call = try Call(peerRole: .client)
    call.check()
    #expect(call.peer.state == .checking)
    #expect(call.peer.selected == Call.home)
    call.setRemote()
    #expect(call.sent.count == 1, "nothing but the check's response yet")
    call.advance(.milliseconds(20))
    #expect(call.peer.state == .connecting)
    call.exchange()
    #expect(call.peer.state == .connected)
  }

  @Test func aClientHelloBeforeTheDescriptionIsKept() throws {
    let call = try Call()
    call.check()
    call.handshake()
    #expect(call.peer.state == .checking)
    #expect(call.events.isEmpty)
    call.setRemote()
    call.advance(.milliseconds(20))
    call.exchange()
    #expect(call.peer.state == .connected)
  }

  @Test func aClientHelloBeforeTheNominationIsKept() throws {
    let call = try Call()
    call.setRemote()
    call.check(nominate: false)
    call.handshake()
    #expect(call.peer.state == .checking)
    call.check()
    call.exchange()
    #expect(call.peer.state == .connected)
  }

  @Test func earlyDatagramsAreBounded() throws {
    let call = try Call()
    call.check()
    var reasons: [PeerOutput] = []
    for _ in 0..<6 { reasons += call.peer.received([22, 0xfe, 0xfd, 0], on: Call.home, now: call.now) }
    #expect(reasons == [.dropped(reason: "dtls-too-early"), .dropped(reason: "dtls-too-early")])
  }

  @Test func aLostHandshakeDatagramIsRepairedByTicks() throws {
    let call = try Call()
    call.setRemote()
    call.check()
    call.perform(call.browser.start(now: call.now))
    call.take(call.peer.received(call.outbox.removeFirst(), on: call.from, now: call.now))
    call.outbox = []  // the browser's second flight is lost
    for _ in 0..<20 where call.peer.state != .connected {
      call.advance(.milliseconds(20))
      call.exchange()
    }
    #expect(call.peer.state == .connected)
  }

  @Test func thePeersOwnLostFlightIsRepairedByTicks() throws {
    let call = try Call(peerRole: .client)
    call.setRemote()
    let lost = call.peer
    call.from = Call.stranger  // what goes to `home` does not reach the browser
    call.check(on: Call.home)
    #expect(call.outbox.isEmpty)
    call.from = Call.home
    for _ in 0..<20 where lost.state != .connected {
      call.advance(.milliseconds(20))
      call.exchange()
    }
    #expect(call.peer.state == .connected)
  }
}

@Suite struct RefusalTests {
  @Test func theWrongCertificateEndsThePeer() throws {
    let call = try Call()
    call.setRemote(fingerprint: Call.wrongFingerprint)
    call.check()
    call.handshake()
    #expect(call.events == [.failed(.dtls(.fingerprintMismatch))])
    #expect(call.peer.state == .closed)
    #expect(call.browserEnded == .failed(.alert("bad certificate")))
    #expect(call.check() == [.dropped(reason: "peer-closed")])
    #expect(call.peer.tick(now: call.now).isEmpty)
  }

  @Test func aBrowserThatRefusesOursEndsThePeer() throws {
    let call = try Call(browserAccepts: Call.wrongFingerprint)
    call.connect()
    #expect(call.events == [.failed(.dtls(.alert("bad certificate")))])
  }

  @Test func dtlsFromAnUnverifiedAddressIsIgnored() throws {
    let call = try Call()
    call.setRemote()
    call.check()
    call.perform(call.browser.start(now: call.now))
    let hello = call.outbox.removeFirst()
    let outputs = call.peer.received(hello, on: Call.stranger, now: call.now)
    #expect(outputs == [.dropped(reason: "address-not-verified")])
    #expect(call.peer.state == .connecting)
  }

  @Test func aRefusedCheckVerifiesNoAddress() throws {
    let call = try Call()
    call.setRemote()
    call.check(role: .controlled(tieBreaker: 1))  // answered with 487
    call.check(password: "notthepasswordnotthepassword")
    #expect(call.peer.state == .checking)
    #expect(call.peer.selected == nil)
    let outputs = call.peer.received([22, 0xfe, 0xfd, 0], on: Call.home, now: call.now)
    #expect(outputs == [.dropped(reason: "address-not-verified")])
  }

  @Test func whatIsNotOursIsNamed() throws {
    let call = try Call()
    call.connect()
    let cases: [([UInt8], String)] = [
      ([], "not-webrtc"), ([0x80], "not-webrtc"), ([0x80, 96, 0, 1], "rtp-on-control-path"),
      ([0x40, 0, 0, 0], "not-webrtc"),
      ([0, 1, 0, 0], "stun-malformed"), ([0x80, 200, 0, 1], "srtcp-malformed"),
      ([0x80, 200] + Array(repeating: 0, count: 40), "srtcp-authentication-failed"),
    ]
    for (bytes, reason) in cases {
      #expect(call.peer.received(bytes, on: Call.home, now: call.now) == [.dropped(reason: reason)])
    }
    #expect(call.peer.state == .connected)
  }

  @Test func otherFingerprintsAfterTheHandshakeEndThePeer() throws {
    let call = try Call()
    call.connect()
    call.setRemote(fingerprint: call.browserFingerprint.lowercased())
    call.advance(.milliseconds(20))
    #expect(call.peer.state == .connected)
    call.setRemote(fingerprint: Call.wrongFingerprint)
    call.advance(.milliseconds(20))
    #expect(call.events.last == .failed(.dtls(.fingerprintMismatch)))
    #expect(call.peer.state == .closed)
  }
}
