import SDP
import Testing

@Suite struct WHEPAnswerTests {
  private func play(
    _ offer: SessionDescription, _ tracks: [OfferedTrack], previous: NegotiatedSession? = nil
  ) throws(SDPError) -> (NegotiatedSession, [SubscribedMedia]) {
    try answer(whepOffer: offer, tracks: tracks, capabilities: .standard, local: local, previous: previous)
  }

  @Test(arguments: Vectors.playing) func playersAreAnswered(name: String) throws {
    let offer = try Vectors.offer(name)
    let tracks = [
      try track("a", .audio, from: "chromium-156-sendonly-av", ssrc: 10),
      try track("v", .video, from: "chromium-156-sendonly-av", ssrc: 20),
    ]
    let (session, media) = try play(offer, tracks)
    try expectValid(session.answer, to: offer)
    #expect(media.map(\.trackID).sorted() == ["a", "v"])
    #expect(media.allSatisfy { !$0.isRejected && !$0.codecs.isEmpty && $0.extensions[ExtensionURI.mid] != nil })
    for taken in media {
      let section = try #require(session.answer[mid: taken.mid])
      #expect(section.direction(in: session.answer) == .sendonly)
      #expect(section.msids.first?.track == taken.trackID)
      #expect(section.ssrcs.first == (taken.trackID == "a" ? 10 : 20))
      #expect(section.retransmissionSSRCs == (taken.trackID == "a" ? [:] : [20: 21]))
      #expect(!section.serializedText.contains("transport-cc") && !section.serializedText.contains("abs-send-time"))
      let source = try #require(tracks.first { $0.trackID == taken.trackID })
      #expect(!payloadTypeMap(from: source.codecs, to: taken.codecs).isEmpty)
    }
    #expect(session.media.filter { $0.direction == .recvonly }.count == 2)
    let unused = session.acceptedMedia.filter { $0.direction == .inactive }
    #expect(unused.count == session.acceptedMedia.count - 2)
  }

  @Test func tracksFillTheFirstThatFits() throws {
    let offer = try Vectors.offer("chromium-156-recvonly-3video-1audio")
    let names = ["firefox-153-sendonly-av-vp9-only", "chromium-156-sendonly-av-h264-only", "aiortc-1.16-sendonly-av"]
    let tracks = try names.enumerated().map {
      try track("v\($0.offset)", .video, from: $0.element, ssrc: UInt32($0.offset * 2))
    }
    let extra = try track("late", .video, from: names[0], ssrc: 99)
    let (session, media) = try play(offer, tracks + [extra])
    #expect(media.map(\.trackID) == ["v0", "v1", "v2"])
    let video = session.answer.media.filter { $0.kind == .video }
    #expect(video[0].codecs.map(\.name) == ["VP9"])
    #expect(video[1].codecs.allSatisfy { $0.name == "H264" } && video[1].codecs.count == 6)
    #expect(Set(video[2].codecs.map(\.name)) == ["VP8", "H264"])
    #expect(session.media.filter { $0.direction == .inactive }.map(\.kind) == [.audio])
  }

  @Test func withoutCommonCodecItSaysSo() throws {
    let h264 = try track("v", .video, from: "chromium-156-sendonly-av-h264-only", ssrc: 1)
    let offer = try Vectors.offer("firefox-153-recvonly-av")
    let published = ["H264 42001f", "H264 42e01f", "H264 4d001f"]
    let error = SDPError.unplayable(kind: "video", published: published, taken: ["VP8", "VP9", "AV1"])
    #expect(throws: error) { try play(offer, [h264]) }
    let audio = try track("a", .audio, from: "chromium-156-sendonly-av", ssrc: 3)
    #expect(throws: error, "sound alone is half a success") { try play(offer, [h264, audio]) }
    let vp8 = try track("w", .video, from: "firefox-153-sendonly-av", ssrc: 5)
    let (_, media) = try play(Vectors.offer("firefox-153-recvonly-av"), [vp8, audio])
    #expect(Set(media.map(\.trackID)) == ["w", "a"])
  }

  @Test func ofSeveralVideosOneMayBeLeftOut() throws {
    let names = ["chromium-156-sendonly-av-h264-only", "firefox-153-sendonly-av-vp9-only"]
    let tracks = try names.enumerated().map {
      try track("v\($0.offset)", .video, from: $0.element, ssrc: UInt32($0.offset))
    }
    var offer = try Vectors.offer("chromium-156-recvonly-3video-1audio")
    for index in offer.media.indices where offer.media[index].kind == .video { offer.media[index].formats = ["98"] }
    let (_, media) = try play(offer, tracks)
    #expect(media.map(\.refusal) == [nil, .codecs] && media.map(\.trackID) == ["v1", "v0"])
  }

  @Test("What flows decides, where it is known", arguments: [nil, 96, 102] as [UInt8?])
  func whatFlowsDecides(flowing: UInt8?) throws {
    var chromium = try track("v", .video, from: "chromium-156-sendonly-av", ssrc: 1)
    chromium.flowing = flowing
    var offer = try Vectors.offer("chromium-156-recvonly-av")
    for index in offer.media.indices where offer.media[index].kind == .video {
      offer.media[index].formats = offer.media[index].payloadTypes.filter {
        offer.media[index].rtpMaps[$0]?.name == "H264"
      }.map { "\($0)" }
    }
    if flowing == 96 {
      #expect(throws: SDPError.self, "VP8 comes, H264 is taken") { try play(offer, [chromium]) }
    } else {
      #expect(try play(offer, [chromium]).1.map(\.refusal) == [nil])
    }
  }

  @Test func withoutTracksEverythingIsInactive() throws {
    let offer = try Vectors.offer("chromium-156-recvonly-av")
    let (session, media) = try play(offer, [])
    #expect(media.isEmpty)
    #expect(session.answer.media.allSatisfy { $0.direction(in: session.answer) == .inactive && $0.port != 0 })
    try expectValid(session.answer, to: offer)
  }

  @Test func aSenderIsNotSentTo() throws {
    let (session, media) = try play(
      Vectors.offer("chromium-156-sendonly-av"), [track("v", .video, from: "chromium-156-sendonly-av", ssrc: 1)])
    #expect(media.isEmpty)
    #expect(session.answer.media.allSatisfy { $0.direction(in: session.answer) == .inactive })
  }

  @Test func levelsAreLoweredWhereTheyMustBeEqual() throws {
    let audioless = try Vectors.text("chromium-156-recvonly-av").replacing("level-asymmetry-allowed=1;", with: "")
    var h264 = try track("v", .video, from: "chromium-156-sendonly-av-h264-only", ssrc: 1)
    h264.codecs = h264.codecs.map {
      var codec = $0
      codec.fmtp = codec.fmtp?.replacing("1f", with: "14")
      return codec
    }
    let (session, _) = try play(SessionDescription.parse(audioless), [h264])
    #expect(session.answer.media[0].formatParameters[108] == "packetization-mode=1;profile-level-id=42e014")
    let (asymmetric, _) = try play(Vectors.offer("chromium-156-recvonly-av"), [h264])
    #expect(asymmetric.answer.media[0].formatParameters[108]?.hasSuffix("profile-level-id=42e01f") == true)
  }
}

extension MediaDescription {
  fileprivate var serializedText: String { SessionDescription(lines: [], media: [self]).serialized() }
}
