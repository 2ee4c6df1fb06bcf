import SDP
import Testing

/// A track that a client with that offer would publish.
func track(_ id: String, _ kind: MediaDescription.Kind, from name: String, ssrc: UInt32) throws -> OfferedTrack {
  let session = try negotiate(Vectors.offer(name))
  let media = try #require(session.media.first { $0.kind == kind })
  return OfferedTrack(
    trackID: id, streamID: "participant", kind: kind, codecs: media.codecs, extensions: media.extensions.keys.sorted(),
    ssrc: ssrc, retransmissionSSRC: kind == .video ? ssrc + 1 : nil, cname: "cname")
}

/// The answer of a client that takes everything, but for what `edit` changes.
func answer(
  _ offer: SessionDescription, edit: (Int, inout MediaDescription) -> Void = { _, _ in }
) -> SessionDescription {
  var answer = offer
  answer.removeAttributes("ice-lite")
  for index in answer.media.indices {
    var media = answer.media[index]
    for name in ["candidate", "end-of-candidates", "ice-ufrag", "ice-pwd", "setup", "msid", "ssrc", "ssrc-group"] {
      media.removeAttributes(name)
    }
    media.lines = media.lines.map { $0 == .attribute("sendonly") ? .attribute("recvonly") : $0 }
    media.lines += [.attribute("ice-ufrag", "clnt"), .attribute("ice-pwd", String(repeating: "c", count: 24))]
    media.lines.append(.attribute("setup", "active"))
    edit(index, &media)
    answer.media[index] = media
  }
  let live = answer.media.filter { $0.port != 0 }.compactMap(\.mid)
  answer.removeAttributes("group")
  answer.lines.append(.attribute("group", "BUNDLE " + live.joined(separator: " ")))
  return answer
}

@Suite struct SubscribeSessionTests {
  let audio: OfferedTrack
  let video: OfferedTrack
  let firefox: OfferedTrack

  init() throws {
    audio = try track("a", .audio, from: "chromium-156-sendonly-av", ssrc: 10)
    video = try track("v", .video, from: "chromium-156-sendonly-av", ssrc: 20)
    firefox = try track("f", .video, from: "firefox-153-sendonly-av-simulcast-qhf", ssrc: 30)
  }

  @Test func anOfferSaysWhatIsSent() throws {
    var session = SubscribeSession()
    let offer = session.offer(tracks: [audio, video], local: local)
    #expect(try SessionDescription.parse(offer.serialized()) == offer)
    #expect(offer.isICELite && offer.bundle == ["0", "1"])
    #expect(session.mids == ["a": "0", "v": "1"])
    let (first, second) = (offer.media[0], offer.media[1])
    #expect(first.formats == ["111", "63", "9", "0", "8", "13", "110", "126"])
    #expect(first.attributes("fmtp") == ["111 minptime=10;useinbandfec=1", "63 111/111"])
    #expect(first.setup == .actpass && first.direction(in: offer) == .sendonly)
    #expect(first.candidates.count == 2 && second.candidates.isEmpty)
    #expect(first.ssrcs == [10] && first.attributes("ssrc-group").isEmpty)
    #expect(second.retransmissionSSRCs == [20: 21])
    #expect(second.msids == [MSID(stream: "participant", track: "v")])
    #expect(second.codecs.map(\.payloadType) == [96, 102, 104, 108, 114, 116, 39, 45, 98, 100])
    #expect(second.codecs.allSatisfy { $0.feedback == ["nack", "nack pli", "ccm fir"] })
    #expect(payloadTypeMap(from: video.codecs, to: second.codecs).count == 20)
    let text = offer.serialized()
    #expect(!text.contains("transport-wide") && !text.contains("abs-send-time") && !text.contains("rtp-stream-id"))
    #expect(Set(first.extensionMaps(in: offer).map(\.uri)) == [ExtensionURI.mid, ExtensionURI.audioLevel])
  }

  @Test func payloadTypesAndExtensionIDsMeanTheSameEverywhere() throws {
    var session = SubscribeSession()
    let aiortc = try track("i", .video, from: "aiortc-1.16-sendonly-av", ssrc: 40)
    let opus = try track("o", .audio, from: "firefox-153-sendonly-av", ssrc: 50)
    var meanings: [UInt8: String] = [:]
    var ids: [UInt16: String] = [:]
    for tracks in [[firefox], [firefox, video], [opus, audio, aiortc], [video, aiortc, firefox, audio]] {
      let offer = session.offer(tracks: tracks, local: local)
      for media in offer.media {
        let parameters = media.formatParameters
        for (type, map) in media.rtpMaps {
          let meaning = "\(map.name) \(parameters[type] ?? "")"
          #expect(meanings.updateValue(meaning, forKey: type) ?? meaning == meaning)
          #expect(map.payloadType < 64 || map.payloadType > 95)
        }
        for map in media.extensionMaps(in: offer) {
          #expect(ids.updateValue(map.uri, forKey: map.id) ?? map.uri == map.uri)
        }
      }
    }
    #expect(
      meanings[96] == "VP8 " && meanings[98] == "VP9 profile-id=0" && meanings[45] == "AV1 level-idx=5;profile=0;tier=0"
    )
    #expect(meanings.values.filter { $0.hasPrefix("opus") }.count == 1, "receiver preferences make no second opus")
  }

  @Test func mediaLinesAreReusedAndNeverReordered() throws {
    var session = SubscribeSession()
    let first = session.offer(tracks: [audio, video], local: local)
    _ = try session.accept(answer: answer(first))

    // A change of mind between two offers leaves no trace.
    let second = session.offer(tracks: [audio], local: local)
    #expect(second.media.map(\.mid) == ["0", "1"])
    #expect(second.media[1].direction(in: second) == .inactive)
    #expect(second.media[1].port == 9 && second.media[1].ssrcs.isEmpty && second.media[1].msids.isEmpty)
    #expect(second.bundle == ["0", "1"])
    #expect(session.mids == ["a": "0"])
    #expect(second.origin?.sessionVersion == (first.origin?.sessionVersion).map { $0 + 1 })
    #expect(second.origin?.sessionID == first.origin?.sessionID)
    _ = try session.accept(answer: answer(second))

    let third = session.offer(tracks: [firefox, audio, video], local: local)
    #expect(third.media.map(\.mid) == ["0", "1", "2"])
    #expect(session.mids == ["a": "0", "f": "1", "v": "2"])
    #expect(third.media[1].msids.first?.track == "f")
    #expect(third.media.map(\.kind) == [.audio, .video, .video])

    let swap = session.offer(tracks: [video], local: local)
    #expect(swap.media.map { $0.direction(in: swap) } == [.inactive, .inactive, .sendonly])
    let back = session.offer(tracks: [video, audio, firefox], local: local)
    #expect(session.mids == ["a": "0", "f": "1", "v": "2"])
    #expect(back.media.count == 3)
  }

  @Test func theAnswerSaysWhatIsTaken() throws {
    var session = SubscribeSession()
    let offer = session.offer(tracks: [audio, video], local: local)
    let taken = try session.accept(
      answer: answer(offer) { index, media in
        media.removeAttributes("extmap")
        media.lines.append(.attribute("extmap", "4 \(ExtensionURI.mid)"))
        media.lines.append(.attribute("extmap", "9 urn:not-offered"))
        if index == 1 { media.formats = ["98", "99", "96", "118"] }
      })
    #expect(taken.map(\.trackID) == ["a", "v"] && taken.map(\.mid) == ["0", "1"])
    #expect(taken.allSatisfy { !$0.isRejected && $0.extensions == [ExtensionURI.mid: 4] })
    #expect(taken[1].codecs.map(\.payloadType) == [98, 96])
    #expect(taken[1].codecs.map(\.retransmissionPayloadType) == [99, nil])
    #expect(payloadTypeMap(from: video.codecs, to: taken[1].codecs) == [98: 98, 99: 99, 96: 96])
    #expect(session.remote?.iceUfrag == "clnt")
    #expect(session.localSetup == .passive && !session.iceRestart)
  }

  @Test func aRefusedTrackIsNotOfferedAgainAndItsLineIsRecycled() throws {
    var session = SubscribeSession()
    let offer = session.offer(tracks: [audio, video], local: local)
    let taken = try session.accept(answer: answer(offer) { if $0 == 1 { $1.port = 0 } })
    #expect(taken.map(\.isRejected) == [false, true])
    let second = session.offer(tracks: [audio, video], local: local)
    #expect(second.media.map(\.port) == [3478, 0])
    #expect(second.bundle == ["0"] && session.mids == ["a": "0"])
    _ = try session.accept(answer: answer(second))

    let third = session.offer(tracks: [audio, firefox], local: local)
    #expect(third.media.map(\.mid) == ["0", "2"], "a new mid in the old place")
    #expect(session.mids == ["a": "0", "f": "2"])

    var changed = video
    changed.codecs = Array(video.codecs.prefix(1))
    var other = SubscribeSession()
    _ = try other.accept(answer: answer(other.offer(tracks: [video], local: local)) { if $0 == 1 { $1.port = 0 } })
    #expect(other.offer(tracks: [changed], local: local).media.map(\.mid) == ["0", "2"], "other codecs: offered anew")
  }

  @Test func whatStandsForTheBundleIsAudioThatNobodyRefuses() throws {
    var session = SubscribeSession()
    let offer = session.offer(tracks: [video], local: local)
    #expect(offer.media.map(\.kind) == [.audio, .video] && session.mids == ["v": "1"])
    #expect(offer.media.map { $0.direction(in: offer) } == [.inactive, .sendonly])
    #expect(offer.media[0].rtpMaps.values.map(\.name) == ["opus"] && offer.media[0].msids.isEmpty)
    #expect(offer.bundle == ["0", "1"] && offer.media.map(\.candidates.count) == [2, 0])
    let taken = try session.accept(answer: answer(offer) { if $0 == 1 { $1.port = 0 } })
    #expect(taken.map(\.isRejected) == [true] && session.remote?.iceUfrag == "clnt")
    let withAudio = session.offer(tracks: [video, audio], local: local)
    #expect(withAudio.media.count == 2 && session.mids == ["a": "0"])
    #expect(withAudio.media[0].rtpMaps.values.contains { $0.name == "red" })
  }

  @Test func whoRefusesEverythingIsOfferedAnotherBundle() throws {
    var session = SubscribeSession()
    let taken = try session.accept(
      answer: answer(session.offer(tracks: [video], local: local)) { $1.port = 0 })
    #expect(taken.map(\.isRejected) == [true] && session.remote == nil)
    let second = session.offer(tracks: [video, firefox], local: local)
    #expect(second.media.map(\.mid) == ["2", "1", "3"] && second.media.map(\.port) == [3478, 0, 9])
    _ = try session.accept(answer: answer(second))
    #expect(session.remote?.iceUfrag == "clnt")
  }

  @Test func anAnswerThatDoesNotReceiveTakesNothing() throws {
    var session = SubscribeSession()
    let offer = session.offer(tracks: [audio, video], local: local)
    let taken = try session.accept(
      answer: answer(offer) { index, media in
        if index == 0 { media.lines = media.lines.map { $0 == .attribute("recvonly") ? .attribute("inactive") : $0 } }
        if index == 1 { media.formats = ["118"] }
      })
    #expect(taken.map(\.isRejected) == [true, true])
    #expect(session.offer(tracks: [audio], local: local).media.map(\.port) == [3478, 9], "neither was stopped")
  }

  @Test func answersThatDoNotFitAreRefused() throws {
    var session = SubscribeSession()
    #expect(throws: SDPError.noOffer) { try session.accept(answer: Vectors.offer("aiortc-1.16-sendonly-av")) }
    let offer = session.offer(tracks: [audio, video], local: local)
    var short = answer(offer)
    short.media.removeLast()
    #expect(throws: SDPError.mediaRemoved(expected: 2, found: 1)) { try session.accept(answer: short) }
    var swapped = answer(offer)
    swapped.media.swapAt(0, 1)
    #expect(throws: SDPError.self) { try session.accept(answer: swapped) }
    #expect(throws: SDPError.noRTCPMux(mid: "0")) {
      try session.accept(answer: answer(offer) { if $0 == 0 { $1.removeAttributes("rtcp-mux") } })
    }
    #expect(throws: SDPError.noFingerprint) {
      try session.accept(answer: answer(offer) { $1.removeAttributes("fingerprint") })
    }
    #expect(throws: SDPError.badSetup("actpass")) {
      try session.accept(
        answer: answer(offer) { _, media in
          media.removeAttributes("setup")
          media.lines.append(.attribute("setup", "actpass"))
        })
    }
    var unbundled = answer(offer)
    unbundled.removeAttributes("group")
    #expect(throws: SDPError.noBundle) { try session.accept(answer: unbundled) }
    unbundled.lines.append(.attribute("group", "BUNDLE 0"))
    #expect(throws: SDPError.notInBundle(mid: "1")) { try session.accept(answer: unbundled) }
    #expect(throws: Never.self) { try session.accept(answer: answer(offer)) }
  }

  @Test func iceRestartChangesCredentialsOnly() throws {
    var session = SubscribeSession()
    let first = session.offer(tracks: [audio], local: local)
    _ = try session.accept(answer: answer(first))
    var renewed = local
    renewed.iceUfrag = "server02"
    let second = session.offer(tracks: [audio], local: renewed)
    #expect(second.media[0].iceUfrag == "server02" && second.media[0].mid == "0")
    #expect(second.origin?.sessionID == first.origin?.sessionID)
    _ = try session.accept(
      answer: answer(second) { _, media in
        media.removeAttributes("ice-ufrag")
        media.lines.append(.attribute("ice-ufrag", "clnt2"))
      })
    #expect(session.iceRestart && session.remote?.iceUfrag == "clnt2")
  }

  @Test func withoutRetransmissionsThereIsNoNACK() throws {
    var plain = video
    plain.retransmissionSSRC = nil
    var session = SubscribeSession()
    let media = session.offer(tracks: [plain], local: local).media[1]
    #expect(!media.rtpMaps.values.contains { $0.name == "rtx" })
    #expect(media.codecs.allSatisfy { $0.feedback == ["nack pli", "ccm fir"] })
  }

  @Test func namesCannotAddLines() throws {
    var hostile = audio
    hostile.streamID = "x\r\na=evil y"
    hostile.trackID = ""
    hostile.cname = "c d"
    hostile.codecs[0].fmtp = "minptime=1\r\na=evil"
    var session = SubscribeSession()
    let offer = session.offer(tracks: [hostile], local: local)
    #expect(try SessionDescription.parse(offer.serialized()) == offer)
    #expect(!offer.serialized().contains("\na=evil"))
    #expect(offer.media[0].msids == [MSID(stream: "x--a-evil-y", track: "-")])
  }

  @Test func aTrackWithNothingToOfferIsLeftOut() throws {
    var unknown = video
    unknown.codecs = []
    var session = SubscribeSession()
    let offer = session.offer(tracks: [unknown, audio], local: local)
    #expect(offer.media.map(\.port) == [3478])
    #expect(session.mids == ["a": "0"] && session.leftOut == ["v"])
    _ = session.offer(tracks: [audio], local: local)
    #expect(session.leftOut.isEmpty)
  }

  @Test func whatHasNoMediaLineLeftIsLeftOut() throws {
    var session = SubscribeSession()
    let tracks = (0..<300).map { number in
      var track = video
      track.trackID = "\(number)"
      return track
    }
    let offer = session.offer(tracks: tracks, local: local)
    #expect(offer.media.count == 256 && session.mids.count == 255)
    let last = Set(tracks.suffix(45).map(\.trackID))
    #expect(session.leftOut == last)
  }

  @Test func levelsShareAPayloadType() throws {
    var session = SubscribeSession()
    var texts = Set<String>()
    for level in 16..<80 {
      for profile in ["42e0", "42c0", "4d00", "6400"] {
        var odd = video
        let fmtp = "packetization-mode=1;profile-level-id=\(profile)" + String(level, radix: 16)
        odd.codecs = [
          NegotiatedCodec(payloadType: 96, name: "h264", clockRate: 90000, fmtp: fmtp, retransmissionPayloadType: 97)
        ]
        let media = session.offer(tracks: [odd], local: local).media[1]
        #expect(session.mids == ["v": "1"])
        #expect(payloadTypeMap(from: odd.codecs, to: media.codecs).count == 2)
        texts.formUnion(media.attributes("fmtp").map { String($0) })
      }
    }
    let profiles = texts.filter { !$0.contains("apt=") }.map { String($0.suffix(6)) }
    #expect(profiles.sorted() == ["42e01f", "4d001f", "64001f"])
  }

  @Test func payloadTypesRunOut() throws {
    var session = SubscribeSession()
    var seen = Set<UInt8>()
    var texts: [String] = []
    for number in 0..<200 {
      var odd = video
      odd.codecs = [
        NegotiatedCodec(payloadType: 96, name: "H264", clockRate: 90000, fmtp: "sprop-parameter-sets=\(number)")
      ]
      let media = session.offer(tracks: [odd], local: local).media
      for type in media.flatMap(\.payloadTypes) { seen.insert(type) }
      texts.append(media[1].formatParameters.values.filter { !$0.hasPrefix("apt=") }.joined())
    }
    #expect(seen.count > 30 && seen.allSatisfy { $0 < 64 || $0 > 95 })
    #expect(texts.first?.hasSuffix(";sprop-parameter-sets=0") == true)
    #expect(texts.last?.hasSuffix(";profile-level-id=42e01f") == true, "without its parameter sets, but offered")
    for codec in ["VP8", "VP9", "AV1", "H265"] {
      var plain = video
      plain.codecs = [NegotiatedCodec(payloadType: 96, name: codec, clockRate: 90000)]
      _ = session.offer(tracks: [plain], local: local)
      #expect(session.leftOut.isEmpty, "\(codec) has its number still")
    }
    var strange = video
    strange.codecs = [NegotiatedCodec(payloadType: 96, name: "VP9", clockRate: 90000, fmtp: "profile-id=3")]
    _ = session.offer(tracks: [strange], local: local)
    #expect(session.leftOut == ["v"])
  }
}
