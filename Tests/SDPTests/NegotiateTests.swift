import SDP
import Testing

@Suite struct NegotiateTests {
  @Test(arguments: Vectors.publishing) func publishersAreAnswered(name: String) throws {
    let offer = try Vectors.offer(name)
    let session = try negotiate(offer)
    try expectValid(session.answer, to: offer)
    #expect(session.localSetup == .passive)
    #expect(!session.iceRestart)
    #expect(session.acceptedMedia.map(\.kind) == [.video, .audio])
    #expect(session.acceptedMedia.allSatisfy { $0.direction == .sendonly && !$0.codecs.isEmpty })
    for media in session.answer.media where media.port != 0 {
      #expect(media.direction(in: session.answer) == .recvonly)
      #expect(media.setup == .passive)
      #expect(!media.hasAttribute("simulcast") && !media.hasAttribute("rid"))
      #expect(media.msids.isEmpty && media.ssrcs.isEmpty)
    }
    let video = session.media[0]
    #expect(video.codecs.allSatisfy { ["VP8", "VP9", "H264", "AV1"].contains($0.name) })
    #expect(video.codecs.allSatisfy { $0.retransmissionPayloadType != nil })
    #expect(video.hasFeedback("nack") && video.hasFeedback("nack pli"))
    #expect(video.hasFeedback("transport-cc") != video.hasFeedback("goog-remb"), "one or the other")
    #expect(video.extensions[ExtensionURI.mid] != nil)
  }

  @Test func chromium() throws {
    let session = try negotiate(Vectors.offer("chromium-156-sendonly-av"))
    #expect(session.remote.iceUfrag == "pxZh")
    #expect(session.remote.icePwd == "ZUQYwIYO01fQHmxT2s5YCSx4")
    #expect(session.remote.fingerprints.map(\.algorithm) == ["sha-256"])
    #expect(session.remote.candidates.count == 8)
    let (video, audio) = (session.media[0], session.media[1])
    #expect(video.codecs.map(\.payloadType) == [96, 102, 104, 108, 114, 116, 39, 45, 98, 100])
    #expect(video.codecs[0].feedback == ["transport-cc", "ccm fir", "nack", "nack pli"])
    #expect(video.ssrcs == [3_149_062_834])
    #expect(video.retransmissionSSRC == [3_149_062_834: 2_936_794_766])
    #expect(video.cname == "97ZZyik8ps856tjl")
    #expect(video.extensions[ExtensionURI.transportWideSequence] == 4)
    #expect(video.extensions["urn:ietf:params:rtp-hdrext:toffset"] == nil)
    #expect(
      audio.codecs.map(\.name) == ["opus", "red", "G722", "PCMU", "PCMA", "CN", "telephone-event", "telephone-event"])
    #expect(audio.codecs[1].fmtp == "111/111")
    #expect(audio.msid?.track == "3c0fbdca-30ae-4560-a660-bb77e0ebd46e")
    let answer = session.answer.media[1]
    #expect(answer.formats == ["111", "63", "9", "0", "8", "13", "110", "126"])
    #expect(answer.attributes("rtpmap").prefix(3) == ["111 opus/48000/2", "63 red/48000/2", "9 G722/8000"])
    #expect(answer.attributes("fmtp") == ["111 minptime=10;useinbandfec=1", "63 111/111"])
    #expect(session.answer.media[0].port == 3478)
    #expect(session.answer.media[0].first(.connection) == "IN IP4 192.0.2.1")
    #expect(session.answer.allowsMixedExtensions)
  }

  @Test func firefoxExtensionsAreAnsweredFromOurSide() throws {
    let session = try negotiate(Vectors.offer("firefox-153-sendonly-av-simulcast-qhf"))
    let video = session.answer.media[0]
    #expect(video.attributes("extmap").contains("8/recvonly \(ExtensionURI.dependencyDescriptor)"))
    #expect(!video.attributes("extmap").contains { $0.contains("playout-delay") }, "it only receives that one")
    #expect(video.allowsMixedExtensions)
    #expect(session.media[0].msid?.stream == "{bb87232b-aae9-4c7b-9f7e-c264921f4190}")
    #expect(session.media[1].codecs.map(\.name) == ["opus", "G722", "PCMU", "PCMA", "telephone-event"])
    #expect(session.answer.media[1].port == 9, "bundle-only is not refused")
  }

  @Test func withoutMixedExtensionsThereIsNoDependencyDescriptor() throws {
    var offer = try Vectors.offer("firefox-153-sendonly-av-simulcast-qhf")
    for index in offer.media.indices { offer.media[index].removeAttributes("extmap-allow-mixed") }
    let session = try negotiate(offer)
    #expect(session.media[0].extensions[ExtensionURI.dependencyDescriptor] == nil)
    #expect(!session.answer.serialized().contains("extmap-allow-mixed"))
  }

  @Test(arguments: ["chromium-156-sendonly-av-simulcast-qhf", "firefox-153-sendonly-av-simulcast-qhf"])
  func simulcastIsAnsweredForOneEncoding(name: String) throws {
    let session = try negotiate(Vectors.offer(name))
    #expect(session.media[0].rids.map(\.rid) == ["q", "h", "f"])
    #expect(!session.answer.serialized().contains("rid:"))
    #expect(!session.answer.serialized().contains("simulcast"))
    #expect(session.media[0].ssrcs.count == (name.hasPrefix("firefox") ? 3 : 0))
  }

  @Test(arguments: ["chromium-156-sendonly-av-datachannel", "firefox-153-sendonly-av-datachannel"])
  func dataChannelsAreRefusedAlone(name: String) throws {
    let offer = try Vectors.offer(name)
    let session = try negotiate(offer)
    #expect(session.media.map(\.isRejected) == [false, false, true])
    #expect(session.answer.bundle == ["0", "1"])
    #expect(session.answer.media[2].mediaLine == "application 0 UDP/DTLS/SCTP webrtc-datachannel")
    try expectValid(session.answer, to: offer)
  }

  @Test(arguments: ["chromium-156", "firefox-153"]) func iceRestartIsRecognised(client: String) throws {
    let before = try Vectors.offer("\(client)-sendonly-av-before-ice-restart")
    let first = try negotiate(before)
    let again = try negotiate(before, previous: first)
    #expect(!again.iceRestart)
    let restart = try negotiate(Vectors.offer("\(client)-sendonly-av-ice-restart"), previous: again)
    #expect(restart.iceRestart)
    #expect(restart.remote.iceUfrag != first.remote.iceUfrag)
    #expect(restart.answer.origin?.sessionID == first.answer.origin?.sessionID)
    #expect(restart.answer.origin?.sessionVersion == (first.answer.origin?.sessionVersion).map { $0 + 2 })
  }

  @Test func laterOffersKeepTheOrder() throws {
    let offer = try Vectors.offer("chromium-156-sendonly-av")
    let first = try negotiate(offer)
    var grown = offer
    var third = offer.media[1]
    third.lines = third.lines.map { $0 == .attribute("mid", "1") ? .attribute("mid", "2") : $0 }
    for name in ["ssrc", "ssrc-group"] { third.removeAttributes(name) }
    grown.media.append(third)
    grown.lines = grown.lines.map { $0 == .attribute("group", "BUNDLE 0 1") ? .attribute("group", "BUNDLE 0 1 2") : $0 }
    let second = try negotiate(grown, previous: first)
    #expect(second.media.map(\.mid) == ["0", "1", "2"])
    #expect(second.answer.bundle == ["0", "1", "2"])

    var swapped = grown
    swapped.media.swapAt(0, 1)
    #expect(throws: SDPError.mediaChanged(index: 0, expected: "video \"0\"", found: "audio \"1\"")) {
      try negotiate(swapped, previous: second)
    }
    #expect(throws: SDPError.mediaRemoved(expected: 3, found: 2)) { try negotiate(offer, previous: second) }
  }

  @Test func stoppedMediaAreRefusedAndMayComeBackAsAnother() throws {
    let offer = try Vectors.offer("chromium-156-sendonly-av")
    let first = try negotiate(offer)
    var stopped = offer
    stopped.media[0].port = 0
    stopped.lines = stopped.lines.map { $0 == .attribute("group", "BUNDLE 0 1") ? .attribute("group", "BUNDLE 1") : $0 }
    let second = try negotiate(stopped, previous: first)
    #expect(second.media.map(\.isRejected) == [true, false])
    #expect(second.answer.bundle == ["1"])
    #expect(second.answer.media[0].port == 0)
    #expect(!second.answer.media[1].candidates.isEmpty, "candidates go with the bundle's first")

    var recycled = offer
    recycled.media[0].lines = offer.media[0].lines.map { $0 == .attribute("mid", "0") ? .attribute("mid", "7") : $0 }
    recycled.lines = recycled.lines.map {
      $0 == .attribute("group", "BUNDLE 0 1") ? .attribute("group", "BUNDLE 7 1") : $0
    }
    #expect(try negotiate(recycled, previous: second).media.map(\.mid) == ["7", "1"])

    stopped.media[1].port = 0
    let third = try negotiate(stopped, previous: second)
    #expect(third.answer.media.allSatisfy { $0.port == 0 })
    #expect(third.answer.bundle == nil)
    #expect(third.remote == second.remote)
  }

  @Test func directionsFollowTheOffer() throws {
    var offer = try Vectors.offer("chromium-156-sendonly-av")
    offer.media[0].lines = offer.media[0].lines.map { $0 == .attribute("sendonly") ? .attribute("inactive") : $0 }
    offer.media[1].lines = offer.media[1].lines.map { $0 == .attribute("sendonly") ? .attribute("sendrecv") : $0 }
    let session = try negotiate(offer)
    #expect(session.media.map(\.direction) == [.inactive, .sendonly])
    #expect(session.answer.media.map { $0.direction(in: session.answer) } == [.inactive, .recvonly])
    #expect(session.media[0].ssrcs.isEmpty)
  }

  @Test(arguments: [("actpass", SetupRole.passive), ("active", .passive), ("passive", .active)])
  func roles(offered: String, ours: SetupRole) throws {
    let text = try Vectors.text("chromium-156-sendonly-av").replacing("a=setup:actpass", with: "a=setup:\(offered)")
    let session = try negotiate(SessionDescription.parse(text))
    #expect(session.localSetup == ours)
    #expect(session.answer.media[0].setup == ours)
    let again = try negotiate(Vectors.offer("chromium-156-sendonly-av"), previous: session)
    #expect(again.localSetup == ours, "an association that goes on keeps its roles")
  }

  @Test func oneMediaNeedsNoBundle() throws {
    var offer = try Vectors.offer("chromium-156-sendonly-av")
    offer.media.removeLast()
    offer.removeAttributes("group")
    let session = try negotiate(offer)
    #expect(session.answer.bundle == nil)
    #expect(session.media.count == 1 && !session.media[0].isRejected)
    #expect(!session.answer.media[0].candidates.isEmpty)
  }
}
