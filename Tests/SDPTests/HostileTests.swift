import Glibc
import SDP
import Testing

/// Whatever the text: an answer or an error, never a crash; and an answer always reads back.
func exercise(_ text: String) {
  if let fragment = try? SDPFragment.parse(text) { _ = (fragment.candidates, fragment.iceUfrag, fragment.serialized()) }
  guard let offer = try? SessionDescription.parse(text) else { return }
  #expect((try? SessionDescription.parse(offer.serialized())) == offer)
  let tracks: [OfferedTrack] = offer.media.enumerated().map { index, media in
    OfferedTrack(
      trackID: "\(index)", streamID: media.mid ?? "", kind: media.kind, codecs: media.codecs,
      extensions: media.extensionMaps(in: offer).map(\.uri), ssrc: media.ssrcs.first ?? 1, cname: media.cname ?? "")
  }
  if let session = try? negotiate(offer) {
    #expect((try? SessionDescription.parse(session.answer.serialized())) == session.answer)
    _ = try? negotiate(offer, previous: session)
  }
  if let (session, _) = try? answer(whepOffer: offer, tracks: tracks, capabilities: .standard, local: local) {
    #expect((try? SessionDescription.parse(session.answer.serialized())) == session.answer)
  }
  var subscriber = SubscribeSession()
  let ours = subscriber.offer(tracks: tracks, local: local)
  #expect((try? SessionDescription.parse(ours.serialized())) == ours)
  _ = try? subscriber.accept(answer: offer)
}

@Suite struct HostileTests {
  /// A generator that gives the same numbers on every run.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 33)
    }
  }

  static let poison = [
    "", "0", "-1", "+1", "99999999999999999999999", "4294967296", "65536", "255", "*", "/", ":", ";", "=", "~", ",",
    " ",
    "\t", "é", "\u{301}", "\u{1F600}", "a=mid:0", "urn:ietf:params:rtp-hdrext:sdes:mid",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
  ]

  @Test(arguments: Vectors.names) func damagedOffers(name: String) throws {
    let lines = try Vectors.text(name).split(separator: "\r\n", omittingEmptySubsequences: true).map(String.init)
    var generator = Generator(state: UInt64(name.utf8.count))
    for _ in 0..<20 {
      var damaged = lines
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let index = Int.random(in: 0..<damaged.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: damaged.remove(at: index)
        case 1: damaged.swapAt(index, Int.random(in: 0..<damaged.count, using: &generator))
        case 2: damaged.insert(damaged[index], at: index)
        case 3: damaged[index] = String(damaged[index].prefix(Int.random(in: 0...40, using: &generator)))
        default:
          var words = damaged[index].split(separator: " ", omittingEmptySubsequences: false).map(String.init)
          let prefix = words[0].prefix { $0 != ":" } + ":"
          let place = Int.random(in: 0..<words.count, using: &generator)
          let word = Self.poison.randomElement(using: &generator) ?? ""
          words[place] = place == 0 ? prefix + word : word
          damaged[index] = words.joined(separator: " ")
        }
        if damaged.count < 5 { break }
      }
      exercise(damaged.joined(separator: "\r\n"))
    }
  }

  @Test func manyMedia() throws {
    var text =
      "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE \((0..<256).map { "\($0)" }.joined(separator: " "))\n"
    text += "a=fingerprint:sha-256 \(hash)\na=ice-ufrag:abcd\na=ice-pwd:\(String(repeating: "x", count: 22))\n"
    for mid in 0..<256 {
      text += "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:\(mid)\na=rtcp-mux\na=sendonly\na=rtpmap:96 VP8/90000\n"
    }
    let session = try negotiate(SessionDescription.parse(text))
    #expect(session.acceptedMedia.count == 256)
    exercise(text)
  }
}

extension HostileTests {
  /// Work must stay linear in the size of the text, whatever is repeated in it.
  @Test(
    arguments: [
      "a=rtcp-fb:* x%", "a=rtcp-fb:96 x%", "a=ssrc:% cname:x", "a=ssrc-group:FID % 1", "a=extmap:1 urn:%",
      "a=rid:r% send",
      "a=candidate:% 1 udp 1 1.2.3.4 5 typ host", "a=msid:% x", "a=rtpmap:96 X%/90000", "a=fmtp:96 x=%", "a=mid:%",
    ])
  func repetition(line: String) throws {
    let offer = try Vectors.text("aiortc-1.16-sendonly-av")
    let repeated = (0..<5000).map { line.replacing("%", with: "\($0)") }.joined(separator: "\r\n")
    let text = offer.replacing("a=mid:0\r\n", with: "a=mid:0\r\n" + repeated.prefix(200_000) + "\r\n")
    #expect(processorSeconds { exercise(text) } < 10)
  }
}

extension HostileTests {
  /// Nor does it grow with the lines of the session times the m-lines: a whole offer is a matter of milliseconds.
  @Test(arguments: ["a=x", "a=extmap:15 urn:x", "a=extmap:1 urn:%", "a=group:LS 1", "a=fingerprint:x"])
  func sessionLinesTimesMedia(line: String) throws {
    #expect(throws: SDPError.tooManySessionLines(limit: 64)) {
      try SessionDescription.parse(text(repeating: line, 5000))
    }
    let offer = try SessionDescription.parse(text(repeating: line, 56))
    let tracks = offer.media.indices.map { index in
      OfferedTrack(
        trackID: "\(index)", streamID: "s", kind: .video, codecs: offer.media[index].codecs, extensions: [], ssrc: 1,
        cname: "c")
    }
    var subscriber = SubscribeSession()
    _ = subscriber.offer(tracks: tracks, local: local)
    // As subscribers are offered them: sound first.
    var answer = offer
    answer.media[0].kind = .audio
    let spent = try processorSeconds {
      let session = try negotiate(offer)
      _ = try negotiate(offer, previous: session)
      _ = try SDP.answer(whepOffer: offer, tracks: Array(tracks.prefix(16)), capabilities: .standard, local: local)
      _ = try subscriber.accept(answer: answer)
    }
    #expect(spent < 0.5)
  }

  /// As many m-lines as may be, under a session that repeats `line`, and in a bundle that names many others.
  private func text(repeating line: String, _ count: Int) -> String {
    let others = (0..<1000).map { "x\($0)" }.joined(separator: " ")
    let mids = (0..<256).map { "\($0)" }.joined(separator: " ")
    var lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE \(others) \(mids)"]
    lines += ["a=ice-ufrag:abcd", "a=ice-pwd:\(String(repeating: "x", count: 22))"]
    lines += (0..<count).map { line.replacing("%", with: "\($0)") }
    lines.append("a=fingerprint:sha-256 \(hash)")
    for mid in 0..<256 {
      lines += [
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000", "a=rtcp-mux", "a=setup:active", "a=mid:\(mid)",
      ]
    }
    return lines.joined(separator: "\n")
  }
}

/// What this thread worked for `body`, however busy the machine is.
private func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  let start = now()
  try body()
  return now() - start
}
