import Forwarding
import RTP
import SDP
import SFU
import Testing
import Wire

@Suite struct ResourceTests {
  private func ask(_ request: ResourceRequest, of world: World) throws -> ResourceResponse {
    let commands = world.handle(.request(RequestID(rawValue: world.nextID()), request))
    return try #require(
      commands.lazy.compactMap { if case .respond(_, let response) = $0 { response } else { nil } }.first)
  }

  private func whip(
    _ peer: BrowserPeer, in world: World, vector: String = "chromium-156-sendonly-av", grants: Grants = .everything
  ) throws -> ResourceResponse {
    let offer = try Vectors.offer(vector, as: peer)
    return try ask(.create(.publish, room: "live", participant: "camera", offer: offer, grants: grants), of: world)
  }

  @Test func aWHIPPublisherIsAParticipant() throws {
    let world = try World()
    let viewer = world.join("bob", room: "live")
    let peer = try BrowserPeer(in: world)
    guard case .created(let resource, let answer, let tag, _, _) = try whip(peer, in: world) else {
      return #expect(Bool(false), "not created")
    }
    try peer.connect(by: answer)
    #expect(world.routes.sources.count == 3)
    #expect(viewer.offers.count == 1)
    #expect(!tag.isEmpty && resource.count >= 20)
    #expect(try ask(.delete(.publish, room: "live", participant: "other", resource: resource), of: world).status == 404)
    #expect(try ask(.delete(.publish, room: "live", participant: "camera", resource: resource), of: world) == .deleted)
    #expect(world.routes.removedTransports.count == 1)
    #expect(
      try ask(.delete(.publish, room: "live", participant: "camera", resource: resource), of: world).status == 404)
  }

  @Test func aNewWHIPPublisherOfANameReplacesTheOld() throws {
    let world = try World()
    let first = try BrowserPeer(in: world)
    guard case .created(_, let answer, _, _, _) = try whip(first, in: world) else { return #expect(Bool(false)) }
    try first.connect(by: answer)
    _ = try whip(BrowserPeer(in: world), in: world)
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 1)
    #expect(world.routes.removedTransports.count == 1)
    #expect(try whip(BrowserPeer(in: world), in: world, vector: "chromium-156-datachannel-only").status == 422)
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 1, "a refused offer replaces nobody")
  }

  @Test func aFullRoomTakesTheReplacementOfOneOfItsOwn() throws {
    let world = try World(participants: 1)
    let first = try BrowserPeer(in: world)
    guard case .created(_, let answer, _, _, _) = try whip(first, in: world) else { return #expect(Bool(false)) }
    try first.connect(by: answer)
    guard case .created = try whip(BrowserPeer(in: world), in: world) else {
      return #expect(Bool(false), "its own place is free to it")
    }
    let other = ResourceRequest.create(
      .publish, room: "live", participant: "other", offer: try Vectors.offer("chromium-156-sendonly-av", as: first),
      grants: .everything)
    #expect(try ask(other, of: world).status == 503)
  }

  @Test func aTokenForAnyNameEvictsNobodyWhoIsThere() throws {
    let world = try World(requiresTokens: true)
    let owner = Grants(room: "live", identity: "camera")
    let first = try BrowserPeer(in: world)
    guard case .created(_, let answer, _, _, _) = try whip(first, in: world, grants: owner) else {
      return #expect(Bool(false))
    }
    try first.connect(by: answer)
    let anybody = Grants(room: "live")
    let refused = try whip(BrowserPeer(in: world), in: world, grants: anybody)
    #expect(refused.status == 409)
    if case .failed(_, let code, _) = refused { #expect(code == .nameTaken) }
    #expect(world.routes.removedTransports.isEmpty)
    #expect(try whip(BrowserPeer(in: world), in: world, grants: Grants(room: "other")).status == 403)
    guard case .created = try whip(BrowserPeer(in: world), in: world, grants: owner) else {
      return #expect(Bool(false), "it is the same encoder")
    }
    world.advance(.seconds(8))
    guard case .created = try whip(BrowserPeer(in: world), in: world, grants: anybody) else {
      return #expect(Bool(false), "nobody was heard of any more")
    }
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 1)
  }

  /// Everyone in a room is told the ids of all, and a token's sub may be any name.
  @Test func aTokenForANameThatIsAnIdEvictsNobody() throws {
    let world = try World(requiresTokens: true)
    let first = try BrowserPeer(in: world)
    guard case .created(_, let answer, _, _, _) = try whip(first, in: world, grants: Grants(identity: "camera")) else {
      return #expect(Bool(false))
    }
    try first.connect(by: answer)
    let id = try #require(world.sfu.report(now: world.now).rooms.first?.participants.first?.id)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: BrowserPeer(in: world))
    let ofId = ResourceRequest.create(
      .publish, room: "live", participant: id, offer: offer, grants: Grants(room: "live", identity: id))
    #expect(try ask(ofId, of: world).status == 409)
    #expect(world.join(id, room: "live").errors == [.nameTaken])
    #expect(world.join(id, room: "elsewhere").errors == [.nameTaken])
    #expect(world.routes.removedTransports.isEmpty)
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.map(\.id) == [id])
  }

  @Test func patchRestartsICEWithTheRightTag() throws {
    let world = try World()
    let peer = try BrowserPeer(in: world)
    guard case .created(let resource, let answer, let tag, _, _) = try whip(peer, in: world) else {
      return #expect(Bool(false))
    }
    try peer.connect(by: answer)
    func patch(_ fragment: String, _ ifMatch: String...) throws -> ResourceResponse {
      try ask(
        .patch(.publish, room: "live", participant: "camera", resource: resource, fragment: fragment, ifMatch: ifMatch),
        of: world)
    }
    let restart = "a=ice-ufrag:newuf\r\na=ice-pwd:newpasswordnewpasswordnew\r\n"
    #expect(try patch(restart).status == 428)
    #expect(try patch(restart, "stale").status == 412)
    #expect(try patch("a=end-of-candidates\r\n", tag) == .accepted)
    #expect(try patch("a=end-of-candidates\r\n", "stale", tag) == .accepted)
    #expect(try patch("a=end-of-candidates\r\n", "stale", "*").status == 412)
    #expect(try patch("a=ice-ufrag:brow\r\na=end-of-candidates\r\n", tag) == .accepted, "the current one")
    for (bad, named) in [
      ("a=ice-ufrag:x\r\na=ice-pwd:newpasswordnewpasswordnew\r\n", "a=ice-ufrag"),
      ("a=ice-ufrag:newuf\r\na=ice-pwd:short\r\n", "a=ice-pwd"), ("a=ice-ufrag:newuf\r\n", "a=ice-pwd"),
    ] {
      guard case .failed(400, .badSDP, let detail) = try patch(bad, "*") else {
        #expect(Bool(false), "\(bad) was taken")
        continue
      }
      #expect(detail.contains(named))
    }
    guard case .restarted(let fragment, let newTag) = try patch(restart, "*") else {
      return #expect(Bool(false), "not restarted")
    }
    #expect(newTag != tag)
    #expect(fragment.contains("a=ice-ufrag:\(newTag)"))
    #expect(try patch("nonsense", "*").status == 400)
  }

  @Test func whepPlaysWhatAParticipantPublishes() throws {
    let world = try World()
    let viewer = try BrowserPeer(in: world)
    let offer = try Vectors.offer("chromium-156-recvonly-av", as: viewer)
    let play = ResourceRequest.create(
      .subscribe, room: "live", participant: "camera", offer: offer, grants: .everything)
    #expect(try ask(play, of: world).status == 404)
    let camera = try BrowserPeer(in: world)
    guard case .created(_, let answer, _, _, _) = try whip(camera, in: world) else { return #expect(Bool(false)) }
    try camera.connect(by: answer)
    guard case .created(_, let played, _, _, _) = try ask(play, of: world) else {
      return #expect(Bool(false), "not played")
    }
    try viewer.connect(by: played)
    #expect(world.routes.sinks.count == 3)
    #expect(Set(world.routes.sinks.map(\.source)) == Set(world.routes.sources.map(\.id)))
    let watcher = world.join("ann", room: "live")
    let present = watcher.heard.compactMap {
      if case .joined(_, let others, _, _) = $0 { others.map(\.name) } else { nil }
    }
    #expect(present == [["camera"]], "viewers are not announced")
  }

  @Test func aViewerEndsWithItsPublisher() throws {
    let world = try World()
    let camera = try BrowserPeer(in: world)
    guard case .created(let resource, let answer, _, _, _) = try whip(camera, in: world) else {
      return #expect(Bool(false))
    }
    try camera.connect(by: answer)
    let viewer = try BrowserPeer(in: world)
    let offer = try Vectors.offer("firefox-153-recvonly-av", as: viewer)
    _ = try ask(.create(.subscribe, room: "live", participant: "camera", offer: offer, grants: .everything), of: world)
    _ = try ask(.delete(.publish, room: "live", participant: "camera", resource: resource), of: world)
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
  }

  private func play(_ viewer: BrowserPeer, of name: String, in world: World) throws {
    let offer = try Vectors.offer("chromium-156-recvonly-av", as: viewer)
    let request = ResourceRequest.create(
      .subscribe, room: "live", participant: name, offer: offer, grants: .everything)
    guard case .created(_, let answer, _, _, _) = try ask(request, of: world) else {
      return #expect(Bool(false), "not played")
    }
    try viewer.connect(by: answer)
  }

  @Test func aViewerKeepsItsSSRCWhenTheSourceChanges() throws {
    let world = try World()
    let ann = world.join("ann", room: "live")
    try ann.publish()
    try play(BrowserPeer(in: world), of: "ann", in: world)
    let transport = try #require(world.routes.transports.first)
    let sink = try #require(world.routes.sinks.first { $0.repairs == nil && $0.payloadTypes[96] != nil })
    world.advance(.seconds(2))
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 99, payloadType: 96, mid: "0"))))
    let renewed = try #require(world.routes.sinks.last)
    #expect(world.routes.removedSinks.contains(sink.id) && renewed.id != sink.id)
    #expect(renewed.ssrc == sink.ssrc && renewed.source == world.routes.sources.last?.id)
  }

  @Test func aViewerEndsWithTheLastTrackThatItPlays() throws {
    let world = try World()
    let ann = world.join("ann", room: "live")
    try ann.publish()
    try play(BrowserPeer(in: world), of: "ann", in: world)
    let viewing = try #require(world.routes.transports.last)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: try #require(ann.publishing))
    ann.say(.publish(sdp: offer.replacing("a=sendonly", with: "a=inactive"), sources: [:]))
    #expect(world.routes.removedTransports.contains(viewing.id))
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 1)
  }

  @Test("A viewer is given what takes the place of a track", arguments: [false, true])
  func aTrackTakesAnothersPlace(pausing: Bool) throws {
    let world = try World()
    let ann = world.join("ann", room: "live")
    try ann.publish()
    try play(BrowserPeer(in: world), of: "ann", in: world)
    let viewing = try #require(world.routes.transports.last)
    let video = Set(world.routes.sources.filter { $0.kind == .video }.map(\.id))
    let former = world.routes.sinks.filter { video.contains($0.source) }
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: try #require(ann.publishing))
    if pausing {
      ann.say(.publish(sdp: offer.replacing("a=sendonly", with: "a=inactive", maxReplacements: 1), sources: [:]))
      #expect(Set(world.routes.removedSinks) == Set(former.map(\.id)))
      ann.say(.publish(sdp: offer, sources: [:]))
    } else {
      ann.say(.publish(sdp: offer.replacing("a=extmap:3 ", with: "a=extmap:13 "), sources: [:]))
    }
    #expect(world.routes.removedTransports.isEmpty)
    let renewed = world.routes.sinks.suffix(2)
    #expect(former.count == 2 && renewed.map(\.ssrc) == former.map(\.ssrc))
    #expect(renewed.map(\.mid?.value) == former.map(\.mid?.value))
    #expect(renewed.allSatisfy { $0.transport == viewing.id && !video.contains($0.source) })
  }

  @Test func aViewerGoesOnWithThePublishersNextConnection() throws {
    let world = try World()
    let ann = world.join("ann", room: "live")
    try ann.publish()
    try play(BrowserPeer(in: world), of: "ann", in: world)
    let viewing = try #require(world.routes.transports.last)
    let foreign = Array(repeating: "AB", count: 32).joined(separator: ":")
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: BrowserPeer(in: world))
      .replacing(try World.browser.fingerprint, with: foreign)
    ann.say(.publish(sdp: offer, sources: [:]))
    #expect(world.routes.removedTransports.count == 1 && !world.routes.removedTransports.contains(viewing.id))
  }

  @Test func aViewerEndsWhenWhatItPlaysComesInCodecsItDidNotTake() throws {
    let world = try World()
    let ann = world.join("ann", room: "live")
    try ann.publish("chromium-156-sendonly-av-h264-only")
    try play(BrowserPeer(in: world), of: "ann", in: world)
    let viewing = try #require(world.routes.transports.last)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: try #require(ann.publishing))
    ann.say(.publish(sdp: offer, sources: [:]))
    #expect(world.routes.removedTransports == [viewing.id], "its player begins anew")
  }

  @Test func anOfferThatGoesTheWrongWayIsRefused() throws {
    let world = try World()
    guard
      case .failed(422, .unsupportedSDP, let detail) = try whip(
        BrowserPeer(in: world), in: world, vector: "chromium-156-recvonly-av")
    else { return #expect(Bool(false), "nothing was published") }
    #expect(detail.contains("no m-line sends"))
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
    _ = try whip(BrowserPeer(in: world), in: world)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: BrowserPeer(in: world))
    let play = ResourceRequest.create(
      .subscribe, room: "live", participant: "camera", offer: offer, grants: .everything)
    guard case .failed(422, .unsupportedSDP, let reason) = try ask(play, of: world) else {
      return #expect(Bool(false), "nothing was played")
    }
    #expect(reason.contains("no m-line receives"))
    #expect(world.sfu.report(now: world.now).rooms.first?.participants.count == 1)
  }

  @Test func anICERestartBeforeDTLSKeepsItsRole() throws {
    let world = try World()
    let peer = try BrowserPeer(in: world)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
      .replacing("a=setup:actpass", with: "a=setup:passive")
    let request = ResourceRequest.create(
      .publish, room: "live", participant: "camera", offer: offer, grants: .everything)
    guard case .created(let resource, let answer, _, _, _) = try ask(request, of: world) else {
      return #expect(Bool(false))
    }
    let restart = "a=ice-ufrag:newuf\r\na=ice-pwd:newpasswordnewpasswordnew\r\n"
    _ = try ask(
      .patch(.publish, room: "live", participant: "camera", resource: resource, fragment: restart, ifMatch: ["*"]),
      of: world)
    try peer.check(by: answer)
    let hellos = world.commands.count {
      if case .send(let bytes, _) = $0 { DatagramKind(bytes) == .dtls } else { false }
    }
    #expect(hellos > 0, "the passive side waits for ours")
  }

  @Test func tokensAndBrokenOffersAreRefused() throws {
    let world = try World()
    #expect(try whip(BrowserPeer(in: world), in: world, grants: Grants(canPublish: false)).status == 403)
    #expect(try whip(BrowserPeer(in: world), in: world, grants: Grants(room: "other")).status == 403)
    let broken = ResourceRequest.create(
      .publish, room: "live", participant: "camera", offer: "v=1", grants: .everything)
    #expect(try ask(broken, of: world).status == 400)
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
  }
}

extension ResourceResponse {
  var status: Int? { if case .failed(let status, _, _) = self { status } else { nil } }
}
