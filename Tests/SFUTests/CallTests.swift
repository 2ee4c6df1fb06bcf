import Forwarding
import RTP
import SDP
import SFU
import Testing
import Wire

@Suite struct CallTests {
  @Test func whoJoinsHearsOfTheOthersAndTheyOfThem() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    let present = bob.heard.compactMap { if case .joined(_, let others, _, _) = $0 { others.map(\.name) } else { nil } }
    #expect(present == [["ann"]])
    let news = ann.heard.compactMap { if case .participant(.joined, let who) = $0 { who.name } else { nil } }
    #expect(news == ["bob"])
  }

  @Test func roomsDoNotSeeEachOther() throws {
    let world = try World()
    let ann = world.join("ann", room: "one")
    let bob = world.join("bob", room: "two")
    try bob.publish()
    #expect(ann.heard.count == 1)
  }

  @Test func noRouteExistsBeforeThePeerIsConnected() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish(connecting: false)
    #expect(ann.answers.count == 1)
    try ann.publishing?.check(by: try #require(ann.answers.last))
    world.advance(.seconds(1))
    #expect(world.routes.filter { !$0.isExpectation }.isEmpty)
  }

  @Test func aConnectedPublisherHasItsTransportAndTheSourcesItNamed() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let transport = try #require(world.routes.transports.first)
    #expect(transport.tuple == ann.publishing?.tuple)
    #expect(
      transport.extensions.mid != 0 && transport.extensions.transportWide != 0 && transport.extensions.audioLevel != 0)
    guard case .srtp = transport.protection else { return #expect(Bool(false), "no keys") }
    let sources = world.routes.sources
    #expect(sources.map(\.kind).sorted { $0.rawValue < $1.rawValue } == [.audio, .video, .video])
    #expect(sources.filter { $0.repairs != nil }.count == 1)
    #expect(sources.allSatisfy { $0.transport == transport.id })
  }

  @Test func aSubscriberGetsASinkForEachSourceUnderItsOwnSSRC() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    let sources = world.routes.sources
    let sinks = world.routes.sinks
    #expect(Set(sinks.map(\.source)) == Set(sources.filter { $0.repairs == nil }.map(\.id)))
    #expect(Set(sinks.map(\.ssrc)).isDisjoint(with: sources.map(\.ssrc)))
    let video = try #require(
      sinks.first { sink in sources.contains { $0.id == sink.source && $0.kind == .video } })
    let retransmission = try #require(video.retransmission)
    #expect(retransmission.payloadTypes[96] == 97 && retransmission.ssrc != video.ssrc)
    #expect(bob.offers.first?.sdp.contains("a=ssrc-group:FID \(video.ssrc) \(retransmission.ssrc)") == true)
    #expect(video.mid != nil)
    #expect(sinks.allSatisfy { $0.transport == world.routes.transports.last?.id })
    #expect(bob.offers.first?.sdp.contains("a=ssrc:\(video.ssrc) ") == true)
  }

  @Test func whoAnswersBeforeThePublisherIsConnectedGetsItsMediaToo() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish(connecting: false)
    try bob.answer()
    #expect(world.routes.sinks.isEmpty)
    try ann.publishing?.connect(by: try #require(ann.answers.last))
    #expect(world.routes.sinks.count == 2)
  }

  @Test func anotherCertificateIsAnotherConnection() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let first = try #require(world.routes.transports.first)
    let foreign = Array(repeating: "AB", count: 32).joined(separator: ":")
    let peer = try BrowserPeer(in: world)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
      .replacing(try World.browser.fingerprint, with: foreign)
    ann.say(.publish(sdp: offer, sources: [:]))
    #expect(ann.answers.count == 2)
    #expect(world.routes.removedTransports == [first.id])
  }

  @Test func aKeyFrameIsAskedForAtOnceWhenASubscriberJoins() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    #expect(ann.publishing?.rtcp.plis.isEmpty == true)
    try bob.answer()
    let video = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
    #expect(ann.publishing?.rtcp.plis.map(\.mediaSSRC) == [video.ssrc])
  }

  @Test func offersAreCoalescedAndNeverTwoInFlight() throws {
    let world = try World()
    let bob = world.join("bob")
    for name in ["ann", "cy", "dee"] {
      let client = Client(name, in: world)
      client.join()
      try client.publish()
    }
    #expect(bob.offers.count == 1, "the first offer is in flight")
    try bob.answer()
    #expect(bob.offers.count == 2)
    #expect(bob.offers.last?.tracks.count == 6, "what changed meanwhile is in one offer")
    try bob.answer()
    #expect(bob.offers.count == 2)
    #expect(
      bob.subscribing.map { peer in
        world.routes.sinks.filter { $0.transport == world.routes.transports(of: peer)?.id }.count
      } == 6)
  }

  @Test func whenAParticipantLeavesItsRoutesGoAndOthersHear() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    let transport = try #require(world.routes.transports.first)
    let sinks = Set(world.routes.sinks.map(\.id))
    _ = world.takeCommands()
    ann.say(.leave)
    #expect(world.routes.removedTransports == [transport.id])
    #expect(Set(world.routes.removedSinks) == sinks)
    #expect(bob.heard.contains { if case .participant(.left, let who) = $0 { who.name == "ann" } else { false } })
    #expect(bob.offers.count == 1 && bob.offers.last?.tracks.isEmpty == true)
    #expect(bob.subscribing?.rtcp.contains { if case .bye = $0 { true } else { false } } == true)
    world.handle(.disconnected(bob.connection))
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
  }

  @Test func aClosedWebSocketEndsTheParticipant() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    world.handle(.disconnected(ann.connection))
    #expect(world.routes.removedTransports.count == 1)
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
  }

  @Test func whoComesBackReplacesTheirFormerSelf() throws {
    let world = try World()
    let ann = Client("ann", in: world)
    ann.join()
    let again = Client("ann", in: world)
    again.join(resume: try #require(ann.joined?.resume))
    let room = try #require(world.sfu.report(now: world.now).rooms.first)
    #expect(room.participants.map(\.id) == [again.joined?.id])
    let stranger = world.join("eve", resume: "wrong")
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 2)
  }

  @Test func anUnnamedSSRCIsLearnedByItsMID() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish("chromium-156-sendonly-av-simulcast-qhf")
    try bob.answer()
    let transport = try #require(world.routes.transports.first)
    let videoMID = "0"
    #expect(world.routes.sources.filter { $0.kind == .video }.isEmpty)
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 77, payloadType: 96, mid: videoMID))))
    #expect(world.routes.sources.last?.ssrc == 77)
    #expect(world.routes.sinks.contains { $0.source == world.routes.sources.last?.id })
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 78, payloadType: 96, mid: "none"))))
    #expect(world.routes.sources.last?.ssrc == 77, "a MID that nobody negotiated names nothing")
  }

  @Test func anotherSSRCForATrackGetsAnotherSSRCAtTheReceiver() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    let transport = try #require(world.routes.transports.first)
    let old = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
    let oldSink = try #require(world.routes.sinks.first { $0.source == old.id })
    world.advance(.seconds(2))
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 99, payloadType: 96, mid: "0"))))
    #expect(world.routes.removedSinks.contains(oldSink.id))
    try bob.answer()
    let new = try #require(world.routes.sinks.last)
    #expect(new.source == world.routes.sources.last?.id)
    #expect(new.ssrc != oldSink.ssrc)
  }

  @Test func ofSeveralSSRCsUnderOneMIDTheFirstIsForwardedWhileItIsHeard() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish("chromium-156-sendonly-av-simulcast-qhf")
    try bob.answer()
    let transport = try #require(world.routes.transports.first)
    var learned: [UInt32] { world.routes.sources.filter { $0.kind == .video }.map(\.ssrc) }
    func hear(_ ssrc: UInt32) {
      world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: ssrc, payloadType: 96, mid: "0"))))
    }
    for second in 0..<10 {
      for ssrc: UInt32 in [77, 78, 79] { hear(ssrc) }
      world.advance(.seconds(1))
      var counters = SourceStatistics(id: try #require(world.routes.sources.last { $0.ssrc == 77 }).id)
      counters.packets = UInt64(second + 1)
      counters.lastArrival = world.now
      var statistics = FastPathStatistics(at: world.now)
      statistics.sources = [counters]
      world.handle(.fastPath(.statistics(statistics)))
    }
    #expect(learned == [77])
    try bob.answer()
    #expect(bob.offers.count == 1, "what it receives has not changed")
    world.advance(.seconds(2))
    hear(78)
    #expect(learned == [77, 78], "it fell silent")
  }

  @Test func aLaterOfferThatNamesAnotherSSRCReplacesTheSourceAtOnce() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let video = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
    let peer = try #require(ann.publishing)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
    ann.say(.publish(sdp: offer, sources: [:]))
    #expect(world.routes.sources.count == 3, "the same")
    ann.say(.publish(sdp: offer.replacing("\(video.ssrc)", with: "4242"), sources: [:]))
    #expect(world.routes.sources.dropFirst(3).map(\.ssrc).first == 4242)
    #expect(world.routes.contains { if case .removeSource(video.id) = $0 { true } else { false } })
    #expect(world.routes.sources.last?.repairs == world.routes.sources.dropFirst(3).first?.id)
  }

  @Test func mutingPausesTheCopiesAndTellsTheOthers() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    let track = try #require(bob.offers.first?.tracks.values.first?.track)
    ann.say(.mute(track: track, muted: true))
    let paused = world.routes.compactMap { if case .pauseSink(let sink, true) = $0 { sink } else { nil } }
    #expect(!paused.isEmpty)
    #expect(
      bob.heard.contains { if case .track(.muted, _, let info) = $0 { info.id == track && info.muted } else { false } })
    bob.say(.mute(track: track, muted: false))
    #expect(bob.errors == [.notFound], "only the owner mutes")
  }

  @Test func roamingMovesTheRoute() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let transport = try #require(world.routes.transports.first)
    world.advance(.seconds(10))
    ann.publishing?.roam()
    try ann.publishing?.check(by: try #require(ann.answers.last))
    let moves = world.routes.compactMap { if case .moveTransport(let id, let tuple) = $0 { (id, tuple) } else { nil } }
    #expect(moves.map(\.0) == [transport.id])
    #expect(moves.first?.1 == ann.publishing?.tuple)
  }

  @Test func onlyTheCredentialsThatAreStillGoodFindThePeer() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let peer = try #require(ann.publishing)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
    for round in 0..<3 {
      ann.say(.restart(target: .publish, sdp: offer.replacing("a=ice-ufrag:brow", with: "a=ice-ufrag:brow\(round)")))
    }
    let answers = ann.answers
    #expect(answers.count == 4)
    func drops() throws -> [String: UInt64] {
      for answer in [answers[0], answers[1], answers[2], answers[3]] {
        try peer.check(by: answer, nominate: false, fragment: answer == answers[0] ? "brow" : "brow2")
      }
      return world.sfu.report(now: world.now).counters.datagramsDropped
    }
    #expect(try drops() == ["unknown-peer": 2])
    try peer.check(by: answers[3], fragment: "brow2")
    #expect(try drops() == ["unknown-peer": 4])
    #expect(world.sfu.report(now: world.now).counters.iceRefusals == ["401-wrong-username": 1])
  }

  @Test func aSubscribePeerThatEndsIsNamed() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    for _ in 0..<31 {
      world.advance(.seconds(1))
      try ann.publishing?.check(by: try #require(ann.answers.last))
    }
    #expect(bob.errors == [.peerFailed])
    #expect(bob.targets == [.subscribe])
    #expect(ann.errors.isEmpty)
  }

  @Test func aPeerThatIsNeverNominatedEnds() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish(connecting: false)
    for _ in 0..<31 {
      try ann.publishing?.check(by: try #require(ann.answers.last), nominate: false)
      world.advance(.seconds(1))
    }
    #expect(ann.errors == [.peerFailed])
    #expect(world.sfu.report(now: world.now).counters.iceFailures == ["not-nominated": 1])
    #expect(
      ann.heard.contains { if case .error(_, let text, _) = $0 { text.contains("not-nominated") } else { false } })
  }

  @Test func aNewNATMappingMovesTheRoute() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let answer = try #require(ann.answers.last)
    ann.publishing?.roam()
    for _ in 0..<2 {
      world.advance(.seconds(5))
      try ann.publishing?.check(by: answer, nominate: false)
    }
    let moves = world.routes.compactMap { if case .moveTransport(_, let tuple) = $0 { tuple } else { nil } }
    #expect(moves == [ann.publishing?.tuple])
  }

  @Test func lostConsentEndsThePeerButNotTheParticipant() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    for _ in 0..<31 { world.advance(.seconds(1)) }
    #expect(world.routes.removedTransports.count == 1)
    #expect(ann.errors == [.peerFailed])
    #expect(ann.targets == [.publish])
    #expect(world.sfu.report(now: world.now).counters.iceFailures == ["consent-expired": 1])
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 1)
  }
}

extension [FastPathCommand] {
  func transports(of peer: BrowserPeer) -> Transport? { transports.first { $0.tuple == peer.tuple } }
}

extension [RTCPPacket] {
  var plis: [PLI] { compactMap { if case .pli(let pli) = $0 { pli } else { nil } } }
  var nacks: [NACK] { compactMap { if case .nack(let nack) = $0 { nack } else { nil } } }
  var senderReports: [SenderReport] { compactMap { if case .senderReport(let report) = $0 { report } else { nil } } }
  var receiverReports: [ReceiverReport] {
    compactMap { if case .receiverReport(let report) = $0 { report } else { nil } }
  }
}
