import Forwarding
import SDP
import SFU
import Testing
import Wire

/// A track that a receiver has no codec for is no silent black picture.
@Suite struct PlayabilityTests {
  private func ask(_ request: ResourceRequest, of world: World) throws -> ResourceResponse {
    let commands = world.handle(.request(RequestID(rawValue: world.nextID()), request))
    return try #require(
      commands.lazy.compactMap { if case .respond(_, let response) = $0 { response } else { nil } }.first)
  }

  private func whip(_ offer: String, in world: World) throws -> ResourceResponse {
    try ask(.create(.publish, room: "live", participant: "cam", offer: offer, grants: .everything), of: world)
  }

  private func whep(_ offer: String, in world: World) throws -> ResourceResponse {
    try ask(.create(.subscribe, room: "live", participant: "cam", offer: offer, grants: .everything), of: world)
  }

  private func h264(_ peer: BrowserPeer, _ direction: String, _ profiles: String?...) throws -> String {
    let types = profiles.indices.map { "\(96 + $0)" }
    let lines = profiles.enumerated().map { index, profile in
      "a=rtpmap:\(96 + index) H264/90000\r\n"
        + (profile.map { "a=fmtp:\(96 + index) packetization-mode=1;profile-level-id=\($0)\r\n" } ?? "")
    }
    return """
      v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r
      m=video 9 UDP/TLS/RTP/SAVPF \(types.joined(separator: " "))\r\nc=IN IP4 0.0.0.0\r
      a=ice-ufrag:\(peer.credentials.usernameFragment)\r\na=ice-pwd:\(peer.credentials.password)\r
      a=fingerprint:sha-256 \(try World.browser.fingerprint)\r\na=setup:actpass\r\na=mid:0\r
      a=\(direction)\r\na=rtcp-mux\r\n\(lines.joined())
      """
  }

  @Test(
    "A publisher and a player of different H.264 profiles",
    arguments: [
      ("42000c", ["640c1f", "42e01f"], UInt8(97)), ("42e01f", ["42001f"], 96), ("42e01f", [nil], 96), (nil, [nil], 96),
      (nil, ["42e01f"], 96), ("640033", ["42e01f"], 96), ("64401f", ["640c1f"], 96),
    ] as [(String?, [String?], UInt8)])
  func profilesDiffer(published: String?, taken: [String?], payloadType: UInt8) throws {
    let world = try World()
    let camera = try BrowserPeer(in: world)
    guard case .created(_, let answer, _, _, _) = try whip(h264(camera, "sendonly", published), in: world) else {
      return #expect(Bool(false), "not published")
    }
    try camera.connect(by: answer)
    let transport = try #require(world.routes.transports.first)
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 5, payloadType: 96, mid: "0"))))
    let viewer = try BrowserPeer(in: world)
    let profiles =
      taken.count == 2 ? try h264(viewer, "recvonly", taken[0], taken[1]) : try h264(viewer, "recvonly", taken[0])
    guard case .created(_, let played, _, _, let warnings) = try whep(profiles, in: world) else {
      return #expect(Bool(false), "not played")
    }
    #expect(warnings.isEmpty)
    try viewer.connect(by: played)
    #expect(world.routes.sinks.map(\.payloadTypes) == [[96: payloadType]])
  }

  @Test func halfASuccessIsRefused() throws {
    let world = try World()
    let peer = try BrowserPeer(in: world)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
    let theora = offer.replacing("VP8/90000", with: "theora/90000").replacing("VP9/", with: "x/")
      .replacing("H264/", with: "y/").replacing("AV1/", with: "z/")
    guard case .failed(422, .unsupportedSDP, let detail) = try whip(theora, in: world) else {
      return #expect(Bool(false), "sound alone was taken")
    }
    #expect(detail.contains("a=mid:0 (video) refused") && detail.contains("theora"))
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
    let limited = try World(tracks: 1)
    guard case .failed(422, .unsupportedSDP, let reason) = try whip(offer, in: limited) else {
      return #expect(Bool(false), "the picture alone was taken")
    }
    #expect(reason.contains("max-tracks"))
  }

  @Test func ofSeveralTheRestIsWarnedOf() throws {
    let world = try World(tracks: 2)
    let peer = try BrowserPeer(in: world)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: peer)
    let audio = try #require(offer.range(of: "m=audio")).lowerBound
    let second = offer[audio...].replacing("a=mid:1", with: "a=mid:2").split(separator: "\r\n")
      .filter { !$0.hasPrefix("a=ssrc") }.joined(separator: "\r\n")
    let three = offer.replacing("BUNDLE 0 1", with: "BUNDLE 0 1 2") + second + "\r\n"
    guard case .created(_, _, _, _, let warnings) = try whip(three, in: world) else {
      return #expect(Bool(false), "not taken")
    }
    #expect(warnings.count == 1 && warnings.first?.hasPrefix("a=mid:2 (audio) refused") == true)
  }

  private func unplayable(_ client: Client) -> [(track: String, receiver: String, reason: String)] {
    client.heard.compactMap {
      if case .unplayable(_, let track, let receiver, let reason) = $0 { (track.id, receiver, reason) } else { nil }
    }
  }

  @Test func bothSidesAreToldOnce() throws {
    let world = try World()
    let (ann, bob) = (world.join("ann"), world.join("bob"))
    try ann.publish()
    try bob.answer { sdp in
      let lines = sdp.components(separatedBy: "\r\n")
      return lines.map { $0.hasPrefix("m=video 9 ") ? $0.replacing("m=video 9 ", with: "m=video 0 ") : $0 }
        .joined(separator: "\r\n").replacing("BUNDLE 0 1", with: "BUNDLE 0")
    }
    for client in [ann, bob] {
      let told = unplayable(client)
      #expect(told.map(\.receiver) == [bob.joined?.id] && told.first?.reason.contains("VP8") == true)
    }
    let rows = world.sfu.report(now: world.now).rooms.flatMap(\.participants).flatMap(\.peers).flatMap(\.sinks)
    #expect(rows.filter { $0.laneReason.contains("cannot be played") }.map(\.kind) == ["video"])
    _ = world.takeCommands()
    let cat = world.join("cat")
    try cat.publish("chromium-156-sendonly-av-h264-only")
    try bob.answer { $0.replacing("m=video 3478 ", with: "m=video 0 ") }
    #expect(unplayable(bob).map(\.track).count <= 1, "what was said is not said again")
  }

  @Test func whatFlowsDecides() throws {
    let world = try World()
    let (ann, bob) = (world.join("ann"), world.join("bob"))
    try ann.publish()
    try bob.answer { sdp in
      let lines = sdp.components(separatedBy: "\r\n")
      return lines.map { $0.hasPrefix("m=video 9 ") ? "m=video 9 UDP/TLS/RTP/SAVPF 98 99" : $0 }.joined(
        separator: "\r\n")
    }
    let video = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
    let sink = try #require(world.routes.sinks.first { $0.source == video.id })
    func flow(_ payloadType: UInt8) {
      var source = SourceStatistics(id: video.id)
      source.packets = 10
      source.payloadType = payloadType
      world.now = world.now.advanced(by: .seconds(1))
      var statistics = FastPathStatistics(at: world.now)
      statistics.sources = [source]
      statistics.sinks = [SinkStatistics(id: sink.id)]
      world.handle(.fastPath(.statistics(statistics)))
    }
    flow(98)
    #expect(unplayable(bob).isEmpty, "VP9 is taken")
    flow(96)
    flow(96)
    #expect(unplayable(bob).count == 1 && unplayable(ann).count == 1)
    #expect(
      unplayable(bob).first?.reason.hasSuffix("it is sent in VP8, and the receiver takes VP9 profile-id=0") == true)
    let viewer = try BrowserPeer(in: world)
    let offer = try h264(viewer, "recvonly", "42e01f")
    let refused = try ask(
      .create(.subscribe, room: "class", participant: "ann", offer: offer, grants: .everything), of: world)
    guard case .failed(422, _, let detail) = refused else { return #expect(Bool(false), "VP8 comes, H264 is taken") }
    #expect(detail.contains("published in VP8") && detail.contains("takes H264 42e01f"))
  }
}
