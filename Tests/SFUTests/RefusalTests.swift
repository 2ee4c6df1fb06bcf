import SDP
import SFU
import Testing
import Wire

@Suite struct RefusalTests {
  @Test func theFirstMessageMustBeJoin() throws {
    let world = try World()
    let ann = Client("ann", in: world)
    ann.say(.leave)
    #expect(ann.errors == [.outOfOrder])
    ann.join()
    ann.join()
    #expect(ann.errors == [.outOfOrder, .outOfOrder])
    ann.say(.answer(sdp: "v=0"))
    #expect(ann.errors.last == .outOfOrder)
  }

  @Test func candidatesHaveTheirForm() throws {
    let world = try World()
    let ann = world.join("ann")
    for line in ["", "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host generation 0"] {
      ann.say(.candidate(target: .subscribe, candidate: line))
    }
    #expect(ann.errors.isEmpty)
    ann.say(.candidate(target: .subscribe, candidate: "garbage"))
    #expect(ann.errors == [.badMessage] && ann.targets == [.subscribe])
  }

  @Test func limitsAreSaid() throws {
    let world = try World(rooms: 1, participants: 1)
    Client("ann", in: world).join("one")
    let bob = world.join("bob", room: "one")
    bob.join("two")
    #expect(bob.errors == [.roomFull, .tooManyRooms])
  }

  @Test func tracksBeyondTheLimitAreRefusedOneByOne() throws {
    let world = try World(tracks: 1)
    let ann = world.join("ann")
    try ann.publish()
    let answer = try SessionDescription.parse(try #require(ann.answers.last))
    #expect(answer.media.map { $0.port == 0 } == [false, true])
    #expect(answer.bundle == ["0"])
    #expect(ann.errors == [.limitExceeded] && ann.targets == [.publish])
    let said = ann.heard.compactMap { if case .error(_, let message, _) = $0 { message } else { nil } }
    #expect(said.first?.contains("a=mid:1 (audio) refused") == true && said.first?.contains("max-tracks") == true)
    #expect(world.routes.sources.map(\.kind) == [.video, .video])
  }

  @Test func aDrainingServerTakesNobodyNew() throws {
    let world = try World()
    let ann = world.join("ann")
    let (outcome, commands) = world.sfu.administer(.drain(true), now: world.now)
    world.take(commands)
    let bob = world.join("bob")
    #expect(outcome == .done)
    #expect(bob.errors == [.draining])
    try ann.publish()
    #expect(world.routes.transports.count == 1, "calls go on")
  }

  @Test func whoComesBackIsNotNew() throws {
    let world = try World(participants: 2, requiresTokens: true)
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    world.take(world.sfu.administer(.drain(true), now: world.now).1)
    let again = world.join("ann", resume: try #require(ann.joined?.resume))
    #expect(again.errors.isEmpty)
    let present = world.sfu.report(now: world.now).rooms.flatMap(\.participants).map(\.id)
    #expect(present == [bob.joined?.id, again.joined?.id])
    let events = bob.heard.compactMap { if case .participant(let event, _) = $0 { event } else { nil } }
    #expect(events == [.left, .joined])
  }

  @Test func aRefusedJoinReplacesNobody() throws {
    let world = try World()
    let ann = world.join("ann")
    let again = world.join("ann", resume: try #require(ann.joined?.resume), grants: Grants(room: "other"))
    #expect(again.errors == [.forbidden])
    let present = world.sfu.report(now: world.now).rooms.flatMap(\.participants).map(\.id)
    #expect(present == [ann.joined?.id])
    #expect(!world.commands.contains { if case .close = $0 { true } else { false } })
  }

  @Test func grantsHold() throws {
    let world = try World()
    let ann = world.join("ann", grants: Grants(room: "other"))
    ann.join(grants: Grants(identity: "bob"))
    #expect(ann.errors == [.forbidden, .forbidden])
    ann.join(grants: Grants(canPublish: false, canSubscribe: false))
    try ann.publish(connecting: false)
    ann.say(.subscribe(tracks: nil, quality: nil))
    #expect(ann.errors == [.forbidden, .forbidden, .forbidden, .forbidden])
    let bob = world.join("bob")
    try bob.publish()
    #expect(ann.offers.isEmpty)
  }

  @Test func brokenSDPIsRefusedAndChangesNothing() throws {
    let world = try World()
    let ann = world.join("ann")
    ann.say(.publish(sdp: "nonsense", sources: [:]))
    #expect(ann.errors == [.badSDP])
    let peer = try BrowserPeer(in: world)
    ann.say(.publish(sdp: try Vectors.offer("chromium-156-datachannel-only", as: peer), sources: [:]))
    #expect(ann.errors == [.badSDP, .unsupportedSDP])
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.first?.peers.isEmpty == true)
    try ann.publish()
    #expect(world.routes.sources.count == 3)
  }

  @Test func aForeignCertificateClosesThePeerAndIsSaid() throws {
    let world = try World()
    let ann = world.join("ann")
    let peer = try BrowserPeer(in: world)
    let foreign = Array(repeating: "AB", count: 32).joined(separator: ":")
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
      .replacing(try World.browser.fingerprint, with: foreign)
    ann.say(.publish(sdp: offer, sources: [:]))
    try peer.connect(by: try #require(ann.answers.last))
    #expect(world.routes.filter { !$0.isExpectation }.isEmpty)
    #expect(ann.errors.first == .fingerprintMismatch)
    #expect(world.sfu.report(now: world.now).counters.dtlsHandshakes == ["fingerprint-mismatch": 1])
  }

  @Test func datagramsOfStrangersAreCounted() throws {
    let world = try World()
    let peer = try BrowserPeer(in: world)
    peer.send([22, 254, 253, 0, 0])
    peer.send([0x80, 200, 0, 0])
    #expect(world.sfu.report(now: world.now).counters.datagramsDropped == ["unknown-peer": 2])
  }

  @Test func refusedChecksAreCountedByReason() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish(connecting: false)
    let answer = try #require(ann.answers.last)
    try ann.publishing?.check(by: answer, password: "guessed")
    try ann.publishing?.check(by: answer, password: "guessed again")
    try ann.publishing?.check(by: answer, role: .controlled(tieBreaker: 7))
    try ann.publishing?.check(by: answer)
    let counters = world.sfu.report(now: world.now).counters
    #expect(counters.iceRefusals == ["401-bad-integrity": 2, "487-role-conflict": 1])
    #expect(counters.iceFailures.isEmpty && counters.datagramsDropped.isEmpty)
  }

  @Test func errorsSayWhichPeerTheyAreAbout() throws {
    let world = try World()
    let ann = world.join("ann")
    ann.say(.publish(sdp: "nonsense", sources: [:]))
    ann.say(.restart(target: .publish, sdp: nil))
    ann.say(.answer(sdp: "v=0"))
    ann.say(.restart(target: .subscribe, sdp: nil))
    #expect(ann.targets == [.publish, .publish, .subscribe, .subscribe])
    ann.say(.mute(track: "nobody's", muted: true))
    #expect(ann.errors.count == 5 && ann.targets.count == 4)
  }

  @Test func operatorsKickMuteAndClose() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    func administer(_ action: AdminAction) -> AdminOutcome {
      let (outcome, commands) = world.sfu.administer(action, now: world.now)
      world.take(commands)
      return outcome
    }
    try ann.publish()
    try bob.answer()
    let published = world.sfu.report(now: world.now).rooms.flatMap(\.participants).flatMap(\.peers).flatMap(\.sources)
    let audio = try #require(published.first { $0.kind == "audio" }).track
    _ = world.takeCommands()
    func paused(_ isPaused: Bool) -> Int {
      world.takeCommands().count { if case .fastPath(.pauseSink(_, isPaused)) = $0 { true } else { false } }
    }
    let muted = AdminAction.mute(room: "class", participant: "ann", track: nil, muted: true)
    #expect(administer(muted) == .done)
    #expect(paused(true) == 2, "audio and video")
    #expect(administer(.mute(room: "class", participant: "ann", track: audio, muted: false)) == .done)
    #expect(paused(false) == 1, "the audio alone")
    ann.say(.mute(track: audio, muted: true))
    #expect(ann.heard.isEmpty, "who mutes knows")
    #expect(administer(.mute(room: "class", participant: "ann", track: audio, muted: false)) == .done)
    let told = ann.heard.compactMap { if case .track(let event, _, let track) = $0 { (event, track.id) } else { nil } }
    #expect(told.map(\.0) == [.unmuted] && told.map(\.1) == [audio], "the owner is told as well")
    _ = world.takeCommands()
    guard case .notFound = administer(.mute(room: "class", participant: "bob", track: nil, muted: true)) else {
      return #expect(Bool(false), "bob publishes nothing")
    }
    let other = world.join("ann")
    let both = world.sfu.report(now: world.now).rooms.flatMap(\.participants).filter { $0.name == "ann" }.map(\.id)
    #expect(administer(.kick(room: "class", participant: "ann")) == .ambiguous(both), "which of them?")
    #expect(ann.errors.isEmpty && other.errors.isEmpty)
    #expect(administer(.kick(room: "class", participant: try #require(other.joined?.id))) == .done)
    #expect(other.errors == [.kicked])
    #expect(administer(.kick(room: "class", participant: "ann")) == .done)
    #expect(ann.errors == [.kicked])
    guard case .notFound = administer(.kick(room: "class", participant: "ann")) else {
      return #expect(Bool(false), "ann is gone")
    }
    #expect(administer(.close(room: "class")) == .done)
    #expect(bob.errors == [.roomClosed])
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
  }

  @Test func oneSSRCOnTwoMediaLinesIsRefused() throws {
    let world = try World()
    let ann = world.join("ann")
    let twice = HostileOffer.tracks(2, first: ann).replacing(
      "a=ssrc:\(ann.connection.rawValue * 1000 + 1) ", with: "a=ssrc:7 "
    )
    .replacing("a=ssrc:\(ann.connection.rawValue * 1000) ", with: "a=ssrc:7 ")
    ann.say(.publish(sdp: twice, sources: [:]))
    #expect(ann.errors == [.unsupportedSDP] && ann.answers.isEmpty)
  }
}
