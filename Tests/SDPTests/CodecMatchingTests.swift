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
      ("58a01f", .baseline), ("4d001f", .main), ("4d401f", .main), ("58401f", .extended), ("58001f", .extended),
      ("64001f", .high), ("64401f", .high), ("640c1f", .constrainedHigh), ("f4001f", .predictiveHigh444),
      ("6e001f", .high10), ("7a001f", .high422), ("00001f", nil), ("42e0", nil),
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

  /// What a receiver of the second takes of the first.
  @Test(
    arguments: [
      ("H264", "packetization-mode=1;profile-level-id=42000c", "packetization-mode=1;profile-level-id=42e01f", true),
      ("H264", "packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1;profile-level-id=42001f", true),
      ("H264", "packetization-mode=1;profile-level-id=42e01f", "profile-level-id=42e01f", true),
      ("H264", "packetization-mode=1;profile-level-id=640c1f", "packetization-mode=1;profile-level-id=42e01f", true),
      ("H264", "packetization-mode=1;profile-level-id=42e01f", nil, true),
      ("H264", nil, "packetization-mode=1;profile-level-id=640033", true),
      ("H264", "profile-level-id=zzz", "profile-level-id=42e01f", true),
      ("H264", "profile-level-id=f4001f", "profile-level-id=42e01f", false),
      ("H264", "profile-level-id=f4001f", nil, true),
      ("H264", "profile-level-id=640033", "profile-level-id=f4001f", true),
      ("H264", "packetization-mode=2", "packetization-mode=1", false),
      ("VP9", "profile-id=2", nil, false), ("VP9", nil, "profile-id=2", true),
      ("VP9", "profile-id=1", "profile-id=2", false),
      ("AV1", "profile=0", "profile=1", true), ("AV1", "profile=1", "profile=0", false),
      ("AV1", "tier=1", "tier=0", true), ("H265", "profile-id=1", "profile-id=2", true),
      ("H265", "profile-id=2", "profile-id=1", false), ("H265", "tx-mode=MRST", "", false),
      ("VP8", nil, "max-fs=1", true),
    ] as [(String, String?, String?, Bool)])
  func whatCanBeDecodedIs(name: String, sent: String?, taken: String?, decodes: Bool) {
    #expect(codec(name, taken).decodes(codec(name, sent)) == decodes)
    #expect(payloadTypeMap(from: [codec(name, sent)], to: [codec(name, taken)]).isEmpty == !decodes)
  }

  @Test(
    "The closest of what a receiver takes is chosen",
    arguments: [
      ("42e01f", ["640c1f", "42e01f", "42001f"], 1), ("42000c", ["640c1f", "42e01f"], 1),
      ("42001f", ["640c1f", "42c01f"], 1),
      ("4d001f", ["42e01f", "64001f"], 1), ("64001f", ["42e01f", "640c1f"], 1), ("42e034", ["42e01f", "42e034"], 1),
      ("640033", ["42e01f"], 0),
    ])
  func theClosest(sent: String, taken: [String], place: Int) {
    func numbered(_ profile: String, _ type: UInt8) -> NegotiatedCodec {
      var codec = codec("H264", "packetization-mode=1;profile-level-id=\(profile)")
      codec.payloadType = type
      return codec
    }
    let receiver = taken.enumerated().map { numbered($0.element, UInt8($0.offset)) }
    #expect(payloadTypeMap(from: [numbered(sent, 100)], to: receiver) == [100: UInt8(place)])
  }

  @Test func theModeBreaksATie() {
    let receiver = ["0", "1"].map { codec("H264", "profile-level-id=42e01f;packetization-mode=\($0)") }
    var numbered = receiver
    numbered[1].payloadType = 97
    #expect(payloadTypeMap(from: [receiver[1]], to: numbered) == [96: 97])
  }

  @Test func encodingsDiffer() {
    #expect(!codec("VP8", nil).matches(codec("VP9", nil)))
    let stereo = NegotiatedCodec(payloadType: 1, name: "opus", clockRate: 48000, channels: 2)
    var mono = stereo
    mono.channels = 1
    #expect(stereo.matches(mono), "opus has two channels, written or not (RFC 7587 section 4.1)")
    mono.name = "L16"
    #expect(!mono.matches(NegotiatedCodec(payloadType: 1, name: "L16", clockRate: 48000, channels: 2)))
  }

  @Test func payloadTypesAreMapped() throws {
    let chromium = try negotiate(Vectors.offer("chromium-156-sendonly-av")).media[0].codecs
    let firefox = try negotiate(Vectors.offer("firefox-153-sendonly-av")).media[0].codecs
    #expect(payloadTypeMap(from: chromium, to: firefox) == [96: 120, 97: 124, 98: 121, 99: 125, 45: 99, 46: 100])
    #expect(payloadTypeMap(from: firefox, to: chromium) == [120: 96, 124: 97, 121: 98, 125: 99, 99: 45, 100: 46])
  }
}
