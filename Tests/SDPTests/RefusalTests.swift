import SDP
import Testing

@Suite struct RefusalTests {
  /// Chromium's offer of video "0" and audio "1", with `old` replaced.
  private func refuse(_ old: String, _ new: String, from name: String = "chromium-156-sendonly-av") throws -> SDPError?
  {
    let text = try Vectors.text(name).replacing("\r\n", with: "\n")
    let changed = text.replacing(old, with: new)
    #expect(changed != text, "\(old) is not there")
    do throws(SDPError) {
      _ = try negotiate(SessionDescription.parse(changed))
      return nil
    } catch {
      #expect(!error.isSyntax)
      #expect(!error.message.isEmpty)
      return error
    }
  }

  @Test func whatCannotBeServedSaysWhy() throws {
    #expect(try refuse("a=group:BUNDLE 0 1\n", "") == .noBundle)
    #expect(try refuse("a=group:BUNDLE 0 1\n", "a=group:BUNDLE x y\n") == .notInBundle(mid: "0"))
    #expect(try refuse("a=rtcp-mux\n", "") == .noRTCPMux(mid: "0"))
    #expect(try refuse("s=-\n", "s=-\na=ice-lite\n") == .bothICELite)
    #expect(try refuse("a=fingerprint:sha-256 ", "a=fingerprint:sha-1 ") == .badFingerprint)
    #expect(try refuse("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 AB:") == .badFingerprint)
    #expect(try refuse("a=fingerprint:", "a=thumbprint:") == .noFingerprint)
    #expect(try refuse("a=ice-ufrag:pxZh\n", "") == .noICECredentials)
    #expect(try refuse("a=ice-pwd:ZUQYwIYO01fQHmxT2s5YCSx4\n", "a=ice-pwd:short\n") == .noICECredentials)
    #expect(try refuse("a=setup:actpass", "a=setup:holdconn") == .badSetup("holdconn"))
    #expect(try refuse("a=setup:actpass", "a=setup:sometimes") == .badSetup("sometimes"))
    #expect(try refuse("a=mid:1\n", "") == .noMid(index: 1))
    #expect(try refuse("a=mid:1\n", "a=mid:0\n") == .duplicateMid("0"))
    #expect(try refuse("a=mid:1\n", "a=mid:12345678901234567\n") == .longMid("12345678901234567"))
  }

  @Test func clearRTPIsRefused() throws {
    let text = try Vectors.text("chromium-156-sendonly-av").replacing("a=fingerprint:", with: "a=thumbprint:")
    for profile in ["RTP/AVP", "RTP/AVPF"] {
      #expect(throws: SDPError.unencrypted(protocolName: profile)) {
        try negotiate(SessionDescription.parse(text.replacing("UDP/TLS/RTP/SAVPF", with: profile)))
      }
    }
  }

  @Test func sdes() throws {
    let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
    let written = try #require(Vectors.offer("chromium-156-sendonly-av").media[0].attribute("fingerprint"))
    let fingerprint = "a=fingerprint:\(written)"
    #expect(try refuse(fingerprint, crypto) == .sdesUnsupported)
    let text = try Vectors.text("chromium-156-sendonly-av").replacing("UDP/TLS/RTP/SAVPF", with: "RTP/SAVPF")
    let withoutDTLS = text.replacing(fingerprint + "\r\n", with: "")
    #expect(throws: SDPError.sdesUnsupported) { try negotiate(SessionDescription.parse(withoutDTLS)) }
    #expect(throws: Never.self) { try negotiate(SessionDescription.parse(text)) }
  }

  @Test func planB() throws {
    let old = "a=ssrc:2936794766 msid:c464f6c9-e893-478b-a287-04b76a04ac94 227fca8e-55cb-40e9-8bd9-6e49f7785612\n"
    var text = try Vectors.text("chromium-156-sendonly-av").replacing("\r\n", with: "\n")
    text = text.replacing(old, with: "a=ssrc:2936794766 msid:other second\n")
    #expect(throws: Never.self) { try negotiate(SessionDescription.parse(text)) }
    text = text.replacing(
      "a=msid:c464f6c9-e893-478b-a287-04b76a04ac94 227fca8e-55cb-40e9-8bd9-6e49f7785612\n", with: "")
    #expect(throws: SDPError.planB(mid: "0")) { try negotiate(SessionDescription.parse(text)) }
  }

  @Test func noCommonCodec() throws {
    #expect(throws: SDPError.noCommonCodec) {
      var offer = try Vectors.offer("chromium-156-sendonly-av")
      for index in offer.media.indices { offer.media[index].formats = ["13", "126"] }
      _ = try negotiate(offer)
    }
  }

  @Test func oneMediaWithoutCommonCodecIsRefusedAlone() throws {
    var offer = try Vectors.offer("chromium-156-sendonly-av")
    offer.media[0].formats = ["118", "119", "120"]
    let session = try negotiate(offer)
    #expect(session.media.map(\.isRejected) == [true, false])
    #expect(session.answer.bundle == ["1"])
    try expectValid(session.answer, to: offer)
  }

  @Test func redAloneIsNoCodec() throws {
    var offer = try Vectors.offer("chromium-156-sendonly-av")
    offer.media[1].formats = ["63"]
    #expect(try negotiate(offer).media.map(\.isRejected) == [false, true])
  }

  @Test func withoutMedia() throws {
    #expect(throws: SDPError.dataChannelOnly) { try negotiate(Vectors.offer("chromium-156-datachannel-only")) }
    var offer = try Vectors.offer("chromium-156-sendonly-av")
    offer.media = []
    #expect(throws: SDPError.noMedia) { try negotiate(offer) }
    offer = try Vectors.offer("chromium-156-sendonly-av")
    for index in offer.media.indices { offer.media[index].port = 0 }
    #expect(throws: SDPError.onlyStoppedMedia) { try negotiate(offer) }
  }

  @Test func mediaOutsideTheBundleAreRefusedAlone() throws {
    let text = try Vectors.text("chromium-156-sendonly-av").replacing("BUNDLE 0 1", with: "BUNDLE 1")
    let session = try negotiate(SessionDescription.parse(text))
    #expect(session.media.map(\.isRejected) == [true, false])
    #expect(session.answer.bundle == ["1"])
  }
}
