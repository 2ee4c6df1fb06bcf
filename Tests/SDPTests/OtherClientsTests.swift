import SDP
import Testing

/// Offers as programs write them that are no browsers.
@Suite struct OtherClientsTests {
  /// An offer with these m-lines, each with the lines under it, all with transport attributes.
  private func offer(_ media: [String], head: String = "", transport: String? = nil) -> String {
    let transport =
      transport
      ?? "a=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuvwx\na=fingerprint:sha-256 \(hash)\na=setup:actpass\na=rtcp-mux\n"
    let sections = media.map { section in
      let line = section.prefix { $0 != "\n" }
      return "\(line)\nc=IN IP4 0.0.0.0\n\(transport)\(section.dropFirst(line.count + 1))"
    }
    return "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n\(head)\(sections.joined())"
  }

  private let opus = "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=mid:0\na=sendonly\na=rtpmap:111 opus/48000/2\n"
  private let vp8 = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=sendonly\na=rtpmap:96 VP8/90000\n"
  private let group = "a=group:BUNDLE 0 1\n"

  private func serve(_ text: String) throws -> NegotiatedSession {
    let offer = try SessionDescription.parse(text)
    let session = try negotiate(offer)
    try expectValid(session.answer, to: offer)
    return session
  }

  @Test(arguments: [
    "42000c", "42e01f", "42001f", "4d001f", "4d401f", "640033", "64401f", "f4001f", "58401f", "nonsense",
  ])
  func anyProfileOfH264IsTaken(profile: String) throws {
    let h264 =
      "m=video 9 UDP/TLS/RTP/SAVPF 106\na=mid:1\na=sendonly\na=rtpmap:106 H264/90000\n"
      + "a=fmtp:106 packetization-mode=1;profile-level-id=\(profile)\n"
    #expect(try serve(offer([h264], head: "a=group:BUNDLE 1\n")).media.map(\.isSending) == [true])
  }

  @Test(arguments: ["PCMU 0", "PCMA 8", "G722 9", "opus/48000 111"]) func audioCodecs(named: String) throws {
    let words = named.split(separator: " ")
    let type = words[1]
    let encoding = words[0].contains("/") ? "\(words[0])" : "\(words[0])/8000"
    let audio =
      "m=audio 9 UDP/TLS/RTP/SAVPF \(type) 101 13\na=mid:0\na=sendonly\na=rtpmap:\(type) \(encoding)\n"
      + "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n"
    let session = try serve(offer([audio], head: "a=group:BUNDLE 0\n"))
    #expect(session.media[0].codecs.map(\.payloadType) == [UInt8(type), 101, 13])
    var subscriber = SubscribeSession()
    let track = OfferedTrack(
      trackID: "a", streamID: "s", kind: .audio, codecs: session.media[0].codecs, extensions: [], ssrc: 1, cname: "c")
    let offered = subscriber.offer(tracks: [track], local: local)
    let maps = offered.media[0].rtpMaps.values.map { "\($0.name)/\($0.clockRate)/\($0.channels)" }
    #expect(maps.contains(encoding == "opus/48000" ? "opus/48000/2" : "\(encoding)/1"), "as every client knows it")
    #expect(maps.contains("telephone-event/8000/1") && maps.contains("CN/8000/1"))
    let player = try SessionDescription.parse(
      offer([audio.replacing("sendonly", with: "recvonly")], head: "a=group:BUNDLE 0\n"))
    let (played, taken) = try answer(
      whepOffer: player, tracks: [track], capabilities: .standard, local: local)
    try expectValid(played.answer, to: player)
    #expect(taken.map(\.refusal) == [nil])
    #expect(payloadTypeMap(from: track.codecs, to: taken[0].codecs).count == 3)
  }

  @Test func keyPressesAloneAreNoSound() throws {
    let keys = "m=audio 9 UDP/TLS/RTP/SAVPF 101 13\na=mid:0\na=sendonly\na=rtpmap:101 telephone-event/8000\n"
    #expect(throws: SDPError.noCommonCodec) { try serve(offer([keys], head: "a=group:BUNDLE 0\n")) }
  }

  @Test func bundleOnlyLinesLeaveTheTransportToTheTaggedOne() throws {
    let bare =
      "m=video 0 UDP/TLS/RTP/SAVPF 96\nc=IN IP4 0.0.0.0\na=bundle-only\na=mid:1\na=sendonly\na=rtpmap:96 VP8/90000\n"
    let session = try serve(offer([opus], head: group) + bare)
    #expect(session.media.map(\.isSending) == [true, true])
    #expect(session.answer.media[1].port != 0 && !session.answer.media[1].hasAttribute("bundle-only"))
    let first = "m=video 0 UDP/TLS/RTP/SAVPF 96\na=bundle-only\na=mid:1\na=sendonly\na=rtpmap:96 VP8/90000\n"
    let text = offer([opus], head: "a=group:BUNDLE 0 1\n").replacing("m=audio", with: first + "m=audio")
    let other = try negotiate(SessionDescription.parse(text))
    #expect(
      other.media.map(\.isSending) == [true, true] && other.answer.bundle == ["0", "1"],
      "wherever the tagged one stands")
    #expect(other.answer.media.map(\.candidates.count) == [0, 2])
  }

  @Test(arguments: [
    "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF",
    "TCP/TLS/RTP/SAVPF",
  ])
  func aFingerprintMeansDTLS(profile: String) throws {
    let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n"
    for extra in ["", crypto] {
      let audio = opus.replacing("UDP/TLS/RTP/SAVPF", with: profile) + extra
      let session = try serve(offer([audio], head: "a=group:BUNDLE 0\n"))
      #expect(session.media.map(\.isSending) == [true])
      #expect(session.answer.media[0].protocolName == profile && !session.answer.serialized().contains("crypto"))
    }
  }

  @Test func oneLineNeedsNeitherBundleNorMid() throws {
    let audio = opus.replacing("a=mid:0\n", with: "")
    let session = try serve(offer([audio]))
    #expect(session.media.map(\.mid) == [""] && session.media.map(\.isSending) == [true])
    #expect(!session.answer.serialized().contains("a=mid") && session.answer.bundle == nil)
    #expect(session.answer.media[0].candidates.count == 2)
    #expect(throws: SDPError.noBundle) { try serve(offer([opus, vp8])) }
    #expect(throws: SDPError.noMid(index: 0)) { try serve(offer([audio, vp8], head: "a=group:BUNDLE 1\n")) }
  }

  @Test(
    "Lines that nobody uses are passed by",
    arguments: [
      "a=rtcp-mux rtcp-mux", "b=AS:500 ", "b=nonsense", "c=IN IP4", "a=:value", "a=", "a= ", "q=1", "nonsense", "",
      "t=0", "k=clear:x",
      "a=fmtp", "a=rtpmap:x", "a=candidate:nonsense", "a=extmap:x", "a=ssrc:x", "a=rid:~", "a=simulcast:", "z=", "v=1",
      "o=x", "s=",
      "a=sctpmap:5000 webrtc-datachannel 1024", "a=ssrc-group:FID", "a=\u{fc}ml\u{e4}ut:x", "=", "x",
    ])
  func unusedLines(line: String) throws {
    let audio = try serve(offer([opus + line + "\n"], head: "a=group:BUNDLE 0\n"))
    #expect(audio.media.map(\.isSending) == [true])
    #expect(try serve(offer([opus], head: "\(line)\na=group:BUNDLE 0\n")).media.map(\.isSending) == [true])
  }

  @Test(arguments: ["a=mid:0", "a=sendonly", "a=rtcp-mux", "a=setup:actpass", "a=ice-ufrag:abcd"])
  func blanksAtTheEndMeanNothing(line: String) throws {
    let text = offer([opus], head: "a=group:BUNDLE 0\n").replacing("\(line)\n", with: "\(line) \t \n")
    #expect(try serve(text).media.map(\.isSending) == [true])
  }

  @Test func whatIsUsedIsReadStrictly() throws {
    let text = offer([opus], head: "a=group:BUNDLE 0\n")
    for (good, bad) in [("ice-pwd:abcdefgh", "ice-pwd:ab cdef"), ("m=audio 9", "m=audio 99999"), ("v=0", "v=1")] {
      #expect(throws: SDPError.self) { try serve(text.replacing(good, with: bad)) }
    }
  }

  @Test func whatIsRefusedIsNamed() throws {
    let theora = vp8.replacing("VP8", with: "theora")
    let session = try serve(offer([opus, theora], head: group))
    #expect(session.refused == [RefusedMedia(mid: "1", kind: .video, reason: .noCommonCodec(["theora"]))])
    #expect(session.refused.lostKinds(beside: session.media) == [.video])
    let outside = try serve(offer([opus, vp8], head: "a=group:BUNDLE 0\n"))
    #expect(
      outside.refused.map(\.reason) == [.outsideBundle] && outside.refused.lostKinds(beside: outside.media) == [.video])
    let second = theora.replacing("a=mid:1", with: "a=mid:2")
    let some = try serve(offer([opus, vp8, second], head: "a=group:BUNDLE 0 1 2\n"))
    #expect(some.refused.map(\.mid) == ["2"] && some.refused.lostKinds(beside: some.media).isEmpty)
    let idle = try serve(offer([opus, theora.replacing("sendonly", with: "inactive")], head: group))
    #expect(idle.refused.isEmpty, "it was not to send")
  }
}
