import SDP
import Testing
import Wire

/// An audio or video section with these attribute lines.
func section(_ attributes: String..., formats: String = "96 97 98") throws -> MediaDescription {
  let lines = attributes.map { "a=\($0)\r\n" }.joined()
  let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF \(formats)\r\n" + lines
  return try SessionDescription.parse(text).media[0]
}

@Suite struct AttributeTests {
  @Test func candidates() throws {
    let offer = try Vectors.offer("chromium-156-sendonly-av")
    let candidates = offer.media[0].candidates
    #expect(candidates.count == 8)
    #expect(candidates[1].socketAddress == SocketAddress("192.0.2.2:58339"))
    #expect(candidates[1].priority == 2_122_063_615)
    #expect(candidates[1].extensions == "generation 0 network-id 1")
    #expect(candidates[4].socketAddress == nil, "TCP")
    for (candidate, line) in zip(candidates, offer.media[0].attributes("candidate")) { #expect("\(candidate)" == line) }
    #expect(try Vectors.offer("aiortc-1.16-sendonly-av").media[0].hasAttribute("end-of-candidates"))
    let mdns = ICECandidate("candidate:1 1 UDP 1 abc.local 5 typ host")
    #expect(mdns?.address == "abc.local" && mdns?.socketAddress == nil)
  }

  @Test(
    arguments: [
      "", "candidate:", "1 1 udp 1 1.2.3.4 5 typ", "1 1 udp 1 1.2.3.4 5 host host", "1 0 udp 1 1.2.3.4 5 typ host",
      "1 1 udp 4294967296 1.2.3.4 5 typ host", "1 1 udp 1 1.2.3.4 65536 typ host", "1 1 udp -1 1.2.3.4 5 typ host",
      "123456789012345678901234567890123 1 udp 1 1.2.3.4 5 typ host",
    ])
  func badCandidates(text: String) { #expect(ICECandidate(text) == nil) }

  @Test func hostCandidatesAreOrderedByPriority() {
    let first = ICECandidate(host: SocketAddress(.v4(0x7f00_0001), 1), index: 0)
    let second = ICECandidate(host: SocketAddress(.v6(0, 1), 2), index: 1)
    #expect("\(first)" == "1 1 udp 2130706431 127.0.0.1 1 typ host")
    #expect("\(second)" == "2 1 udp 2130706175 ::1 2 typ host")
  }

  @Test func fingerprints() throws {
    let offer = try Vectors.offer("aiortc-1.16-sendonly-av")
    #expect(offer.media[0].fingerprints.map(\.algorithm) == ["sha-256", "sha-384", "sha-512"])
    let bad = try section(
      "fingerprint:sha-1 00:01", "fingerprint:sha-256 00", "fingerprint:sha-256 " + hash.replacing("01", with: "-1"),
      "fingerprint:SHA-256 " + hash.lowercased())
    #expect(bad.fingerprints == [Fingerprint(algorithm: "sha-256", value: hash)])
  }

  @Test func credentials() throws {
    let pwd = String(repeating: "p", count: 22)
    #expect(try section("ice-ufrag:abcd", "ice-pwd:\(pwd)").iceUfrag == "abcd")
    #expect(try section("ice-ufrag:abc", "ice-pwd:short").iceUfrag == nil)
    #expect(try section("ice-ufrag:ab:d", "ice-pwd:\(pwd)").iceUfrag == nil)
    #expect(try section("ice-pwd:\(pwd.dropLast())").icePwd == nil)
  }

  @Test func simulcast() throws {
    let media = try section(
      "rid:q send", "rid:h send pt=96,97;max-width=1280;max-height=720", "rid:f recv", "rid:bad/id send", "rid:x both",
      "simulcast:send q,~h;~f recv 1;2")
    #expect(media.rids.map(\.id) == ["q", "h", "f"])
    #expect(media.rids[1].payloadTypes == [96, 97])
    #expect(media.rids[1].restrictions == ["max-width": "1280", "max-height": "720"])
    let simulcast = try #require(media.simulcast)
    #expect(simulcast.send.map(\.rid) == ["q", "f"])
    #expect(simulcast.send.map(\.isPaused) == [false, true])
    #expect(simulcast.send[0].alternatives == [.init(rid: "h", isPaused: true)])
    #expect(simulcast.receive.map(\.rid) == ["1", "2"])
    #expect(try section("simulcast:send").simulcast == nil)
    #expect(try section("simulcast:sideways 1").simulcast == nil)
  }

  @Test func extensionMaps() throws {
    let offer = try Vectors.offer("firefox-153-sendonly-av-simulcast-qhf")
    let maps = offer.media[0].extensionMaps(in: offer)
    #expect(maps.first { $0.id == 6 }?.direction == .recvonly)
    #expect(maps.first { $0.id == 9 }?.uri == ExtensionURI.rid)
    let bad = try section(
      "extmap:0 urn:a", "extmap:15 urn:b", "extmap:99999999999999999999 urn:c", "extmap:1/sideways urn:d", "extmap:2",
      "extmap:3 urn:e", "extmap:3 urn:f", "extmap:4 urn:e", "extmap:-5 urn:g", "extmap:5/sendonly urn:h x y")
    #expect(bad.extensionMaps(in: offer).map(\.uri) == ["urn:e", "urn:h"])
  }

  @Test func codecs() throws {
    let media = try section(
      "rtpmap:96 VP8/90000", "rtpmap:97 rtx/90000", "fmtp:97 apt=96;rtx-time=3000", "rtpmap:98 opus/48000/2",
      "rtcp-fb:* nack", "rtcp-fb:96 nack  pli", "rtcp-fb:96 nack", "rtcp-fb:x ccm fir", "rtpmap:300 VP9/90000",
      "rtpmap:99 VP9/90000", "rtpmap:98 VP9/0", formats: "98 96 97 0 70 98 300 -1")
    let codecs = media.codecs
    #expect(codecs.map(\.payloadType) == [98, 96, 0], "64 to 95 collide with RTCP")
    #expect(codecs[1].retransmissionPayloadType == 97)
    #expect(codecs[1].feedback == ["nack", "nack pli"])
    #expect(codecs[0].channels == 2 && codecs[0].feedback == ["nack"])
    #expect(codecs[2].name == "PCMU")
  }

  @Test func badRTPMaps() throws {
    for bad in [
      "96", "96 VP8", "96 VP8/", "96 VP8/x", "96 VP8/90000/", "96 VP8/90000/0", "96 VP8/90000/1/2", "96 /90000",
    ] {
      #expect(try section("rtpmap:\(bad)", formats: "96").codecs.isEmpty, "\(bad)")
    }
  }

  @Test func sources() throws {
    let media = try Vectors.offer("chromium-156-sendonly-av").media[0]
    #expect(media.ssrcs == [3_149_062_834, 2_936_794_766])
    #expect(media.mediaSSRCs == [3_149_062_834])
    #expect(media.retransmissionSSRCs == [3_149_062_834: 2_936_794_766])
    #expect(media.cname == "97ZZyik8ps856tjl")
    #expect(
      media.msids == [
        MSID(
          stream: "c464f6c9-e893-478b-a287-04b76a04ac94", track: "227fca8e-55cb-40e9-8bd9-6e49f7785612")
      ])
    let bad = try section("ssrc:4294967296 cname:x", "ssrc:", "ssrc-group:FID 1 x", "ssrc-group:SIM 1 2 3", "ssrc:7")
    #expect(bad.ssrcs == [7])
    #expect(bad.ssrcGroups == [SSRCGroup(semantics: "SIM", ssrcs: [1, 2, 3])])
  }

  @Test func parameters() {
    let parameters = FormatParameters(" Profile-Level-ID = 42e01f ; x; y=;packetization-mode=1;packetization-mode=0")
    #expect(parameters["profile-level-id"] == "42e01f")
    #expect(parameters["x"] == "" && parameters["y"] == "" && parameters["z"] == nil)
    #expect(parameters.integer("packetization-mode") == 1)
  }
}
