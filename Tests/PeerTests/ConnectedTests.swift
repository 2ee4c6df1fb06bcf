import DTLS
import ICE
import Peer
import RTP
import SRTP
import Testing
import Wire

@Suite struct RTCPTests {
  static let packets: [RTCPPacket] = [
    .receiverReport(ReceiverReport(ssrc: 1)), .pli(PLI(senderSSRC: 1, mediaSSRC: 2)),
  ]

  @Test func rtcpGoesBothWays() throws {
    let call = try Call()
    #expect(call.peer.send(rtcp: Self.packets) == nil)
    call.connect()
    let inbound = call.peer.received(call.protect(Self.packets), on: Call.home, now: call.now)
    #expect(inbound == [.rtcp(Self.packets, receivedAt: call.now)])
    guard case .send(let bytes, Call.home)? = call.peer.send(rtcp: Self.packets) else {
      Issue.record("nothing sent")
      return
    }
    #expect(bytes != RTCPPacket.encode(Self.packets))
    let clear = try #require(call.browserSRTCP).unprotect(bytes).get()
    #expect(try RTCPPacket.decode(compound: clear) == Self.packets)
    #expect(call.peer.send(rtcp: []) == nil)
  }

  @Test func aReplayIsDropped() throws {
    let call = try Call()
    call.connect()
    let bytes = call.protect(Self.packets)
    #expect(call.take(call.peer.received(bytes, on: Call.home, now: call.now)).count == 1)
    #expect(call.peer.received(bytes, on: Call.home, now: call.now) == [.dropped(reason: "srtcp-replayed")])
  }

  @Test func rtcpCountsOnlyFromVerifiedAddresses() throws {
    let call = try Call()
    call.connect()
    let bytes = call.protect(Self.packets)
    #expect(call.peer.received(bytes, on: Call.stranger, now: call.now) == [.dropped(reason: "address-not-verified")])
    call.check(on: Call.elsewhere, nominate: false)
    let outputs = call.peer.received(bytes, on: Call.elsewhere, now: call.now)
    #expect(outputs == [.rtcp(Self.packets, receivedAt: call.now)])
  }

  @Test func rtcpBeforeTheKeysIsDropped() throws {
    let call = try Call()
    call.setRemote()
    call.check()
    let rtcp: [UInt8] = [0x80, 201] + Array(repeating: 0, count: 30)
    #expect(call.peer.received(rtcp, on: Call.home, now: call.now) == [.dropped(reason: "rtcp-before-dtls")])
  }

  @Test func sendersBeyondTheLimitAreDropped() throws {
    let call = try Call()
    call.connect()
    let outputs = (0...SRTCPSession.maximumSenders).map { sender in
      let report = RTCPPacket.receiverReport(ReceiverReport(ssrc: UInt32(sender)))
      return call.peer.received(call.protect([report]), on: Call.home, now: call.now)
    }
    #expect(outputs.filter { $0 == [.dropped(reason: "srtcp-too-many-ssrcs")] }.count == 1)
    #expect(outputs.last == [.dropped(reason: "srtcp-too-many-ssrcs")])
  }

  @Test func genuineNonsenseIsDropped() throws {
    let call = try Call()
    call.connect()
    let nonsense: [UInt8] = [0x9f, 200, 0, 1, 0, 0, 0, 1]  // 31 report blocks in 8 bytes
    let bytes = try #require(call.browserSRTCP?.protect(nonsense))
    #expect(call.peer.received(bytes, on: Call.home, now: call.now) == [.dropped(reason: "rtcp-malformed")])
  }
}

@Suite struct RoamingTests {
  @Test func aNominationElsewhereMovesTheConnectedPeer() throws {
    let call = try Call()
    call.connect()
    call.now = call.now.advanced(by: .seconds(10))
    #expect(call.check(on: Call.elsewhere) == [.moved(Call.elsewhere)])
    #expect(call.peer.selected == Call.elsewhere)
    #expect(call.peer.state == .connected)
    guard case .send(_, let tuple)? = call.peer.send(rtcp: RTCPTests.packets) else {
      Issue.record("nothing sent")
      return
    }
    #expect(tuple == Call.elsewhere)
    #expect(call.connections == 1)
  }

  @Test func aNewNATMappingMovesTheConnectedPeer() throws {
    let call = try Call()
    call.connect()
    call.now = call.now.advanced(by: .seconds(5))
    #expect(call.check(on: Call.elsewhere, nominate: false).isEmpty)
    call.now = call.now.advanced(by: .seconds(5))
    #expect(call.check(on: Call.elsewhere, nominate: false) == [.moved(Call.elsewhere)])
    #expect(call.peer.selected == Call.elsewhere)
  }

  @Test func aMoveDuringTheHandshakeIsReportedByTheConnection() throws {
    let call = try Call()
    call.setRemote()
    call.check()
    call.perform(call.browser.start(now: call.now))
    call.now = call.now.advanced(by: .seconds(5))
    call.from = Call.elsewhere
    #expect(call.check().isEmpty)
    call.exchange()
    guard case .connected(let tuple, _, _)? = call.events.first else {
      Issue.record("\(call.events)")
      return
    }
    #expect(tuple == Call.elsewhere)
  }

  @Test func anIceRestartKeepsTheKeys() throws {
    let call = try Call()
    call.connect()
    let old = call.peer.localCredentials
    let new = ICECredentials(usernameFragment: "serv2", password: "anotherserverpassword1234")
    let theirs = ICECredentials(usernameFragment: "brow2", password: "anotherbrowserpassword12")
    call.peer.restartICE(local: new)
    #expect(call.peer.localCredentials == new)
    #expect(call.check(local: old).isEmpty, "the old session is good until the new one nominates")
    call.setRemote(credentials: theirs)
    call.from = Call.elsewhere
    #expect(call.check(remote: theirs) == [.moved(Call.elsewhere)])
    #expect(call.peer.state == .connected)
    let bytes = call.protect(RTCPTests.packets)
    #expect(
      call.peer.received(bytes, on: Call.elsewhere, now: call.now).first
        == .rtcp(RTCPTests.packets, receivedAt: call.now))
    #expect(call.connections == 1)
  }

  @Test func theSameDescriptionAgainChangesNothing() throws {
    let call = try Call()
    call.connect()
    call.setRemote()
    call.advance(.milliseconds(20))
    #expect(call.peer.state == .connected)
    #expect(call.check().isEmpty)
    #expect(call.connections == 1)
  }
}

@Suite struct EndingTests {
  @Test func consentEndsThirtySecondsAfterTheLastCheck() throws {
    let call = try Call()
    call.connect()
    for _ in 0..<10 {
      call.advance(.seconds(5))
      call.check()
    }
    #expect(call.peer.state == .connected)
    call.advance(.milliseconds(29_999))
    #expect(call.peer.state == .connected)
    call.advance(.milliseconds(1))
    #expect(call.events.last == .failed(.ice(.consentExpired)))
    #expect(call.peer.state == .closed)
    #expect(call.peer.send(rtcp: RTCPTests.packets) == nil)
    #expect(call.peer.close().isEmpty, "nothing may be sent without consent")
  }

  @Test func noChecksAtAll() throws {
    let call = try Call()
    call.setRemote()
    call.advance(.milliseconds(29_999))
    #expect(call.events.isEmpty)
    call.advance(.milliseconds(1))
    #expect(call.events == [.failed(.ice(.noChecks))])
  }

  @Test func checksWithoutANomination() throws {
    let call = try Call()
    call.setRemote()
    for _ in 0..<29 {
      call.check(nominate: false)
      call.advance(.seconds(1))
    }
    #expect(call.events.isEmpty)
    call.advance(.seconds(1))
    #expect(call.events == [.failed(.ice(.notNominated))])
    #expect(call.peer.state == .closed)
  }

  @Test func aHandshakeThatNeverEnds() throws {
    let call = try Call()
    call.setRemote()
    call.check()
    for _ in 0..<29 {
      call.advance(.seconds(1))
      call.check()
    }
    #expect(call.peer.state == .connecting)
    call.advance(.seconds(1))
    #expect(call.events == [.failed(.dtls(.timeout))])
  }

  @Test func closingSaysGoodbye() throws {
    let call = try Call()
    call.connect()
    call.take(call.peer.close())
    #expect(call.peer.state == .closed)
    #expect(call.browserEnded == .closed)
    #expect(call.peer.close().isEmpty)
    #expect(call.check() == [.dropped(reason: "peer-closed")])
  }

  @Test func theBrowsersGoodbyeEndsThePeer() throws {
    let call = try Call()
    call.connect()
    call.perform(call.browser.close())
    call.exchange()
    #expect(call.events.last == .closed)
    #expect(call.peer.state == .closed)
  }

  @Test func closingBeforeTheHandshakeIsSilent() throws {
    let call = try Call()
    call.setRemote()
    call.check()
    #expect(call.peer.close().isEmpty)
    #expect(call.peer.state == .closed)
  }
}
