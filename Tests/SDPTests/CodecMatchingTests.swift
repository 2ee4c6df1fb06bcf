import SDP
import Testing

@Suite struct CodecMatchingTests {
  private func codec(_ name: String, _ fmtp: String?) -> NegotiatedCodec {
    NegotiatedCodec(payloadType: 96, name: name, clockRate: 90000, fmtp: fmtp)
  }

  @Test(
    arguments: [
      ("42e01f", H264ProfileLevel.Profile.constrainedBaseline), ("42c01f", .constrainedBaseline),
      ("4de01f", .constrainedBaseline), ("58f01f", .constrainedBaseline), ("42001f", .baseline), ("42a01f", .baseline),
      ("58a01f", .baseline), ("4d001f", .main), ("4d401f", .main), ("58401f", nil), ("58001f", .extended),
      ("64001f", .high), ("640c1f", .constrainedHigh), ("f4001f", .predictiveHigh444), ("00001f", nil), ("42e0", nil),
      ("42e01g", nil), ("+2e01f", nil), ("42e01f00", nil),
    ])
  func profiles(text: String, profile: H264ProfileLevel.Profile?) {
    #expect(H264ProfileLevel(text)?.profile == profile)
  }

  @Test func levels() throws {
    let order = ["42000a", "42100b", "42000b", "42000c", "42001f", "420020"].compactMap {
      H264ProfileLevel($0)?.doubledLevel
    }
    #expect(order.count == 6 && order == order.sorted() && Set(order).count == 6, "1b lies between 1 and 1.1")
    #expect(H264ProfileLevel("640009")?.doubledLevel == order[1])
  }

  @Test(
    arguments: [
      ("H264", "profile-level-id=42e01f;packetization-mode=1", "packetization-mode=1;profile-level-id=42c034", true),
      ("H264", "profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e01f", false),
      ("H264", "profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42001f;packetization-mode=1", false),
      ("H264", "packetization-mode=1", "profile-level-id=42e01f;packetization-mode=1", true),
      ("H264", "profile-level-id=zzz", "profile-level-id=zzz", false),
      ("VP9", "profile-id=0", "", true), ("VP9", "profile-id=2", "profile-id=0", false),
      ("AV1", "level-idx=5;profile=0;tier=0", "level-idx=8", true), ("AV1", "profile=1", "profile=0", false),
      ("H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST", "level-id=120", true),
      ("H265", "profile-id=2", "profile-id=1", false), ("H265", "tier-flag=1", "", false),
      ("VP8", "max-fs=12288;max-fr=60", "", true),
    ])
  func parameters(name: String, a: String, b: String, match: Bool) {
    #expect(codec(name, a).matches(codec(name.lowercased(), b)) == match)
    #expect(codec(name, b).matches(codec(name, a)) == match)
  }

  @Test func encodingsDiffer() {
    #expect(!codec("VP8", nil).matches(codec("VP9", nil)))
    let stereo = NegotiatedCodec(payloadType: 1, name: "opus", clockRate: 48000, channels: 2)
    var mono = stereo
    mono.channels = 1
    #expect(!stereo.matches(mono))
  }

  @Test func payloadTypesAreMapped() throws {
    let chromium = try negotiate(Vectors.offer("chromium-156-sendonly-av")).media[0].codecs
    let firefox = try negotiate(Vectors.offer("firefox-153-sendonly-av")).media[0].codecs
    #expect(payloadTypeMap(from: chromium, to: firefox) == [96: 120, 97: 124, 98: 121, 99: 125, 45: 99, 46: 100])
    #expect(payloadTypeMap(from: firefox, to: chromium) == [120: 96, 124: 97, 121: 98, 125: 99, 99: 45, 100: 46])
  }
}
