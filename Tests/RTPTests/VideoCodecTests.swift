import RTP
import Testing

@Suite struct VideoCodecTests {
  private func begins(_ codec: VideoCodec, _ payload: [UInt8]) -> Bool {
    payload.withUnsafeBytes { codec.beginsKeyFrame($0) }
  }

  @Test("VP8: the first packet of a frame whose P bit is 0 (RFC 7741)")
  func vp8() {
    #expect(begins(.vp8, [0x10, 0x00, 0x9d]))
    #expect(!begins(.vp8, [0x10, 0x01, 0x9d]), "predicted")
    #expect(!begins(.vp8, [0x00, 0x00]), "not its first packet")
    #expect(!begins(.vp8, [0x11, 0x00]), "another partition")
    // Picture id of one and of two octets, TL0PICIDX, TID.
    #expect(begins(.vp8, [0x90, 0x80, 0x11, 0x00]))
    #expect(begins(.vp8, [0x90, 0x80, 0x91, 0x22, 0x00]))
    #expect(begins(.vp8, [0x90, 0xe0, 0x91, 0x22, 0x33, 0x44, 0x00]))
    #expect(!begins(.vp8, [0x90, 0xe0, 0x91, 0x22, 0x33, 0x44, 0x01]))
  }

  @Test("VP9: the first packet of the lowest layer of a picture that is not predicted (RFC 9628)")
  func vp9() {
    #expect(begins(.vp9, [0x08, 1]) && begins(.vp9, [0x88, 0x81, 0x22, 1]))
    #expect(!begins(.vp9, [0x48, 1]), "predicted")
    #expect(!begins(.vp9, [0x00, 1]), "not its first packet")
    #expect(begins(.vp9, [0xa8, 0x11, 0x00, 0x05]))
    #expect(!begins(.vp9, [0xa8, 0x11, 0x02, 0x05]), "a higher layer")
  }

  @Test("H.264: a parameter set or an IDR slice, alone, aggregated or fragmented (RFC 6184)")
  func h264() {
    #expect(begins(.h264, [0x67, 1]) && begins(.h264, [0x65, 1]))
    #expect(!begins(.h264, [0x61, 1]) && !begins(.h264, [0x68, 1]))
    #expect(begins(.h264, [0x78, 0, 2, 0x67, 1, 0, 1, 0x68]))
    #expect(begins(.h264, [0x78, 0, 1, 0x06, 0, 1, 0x65]))
    #expect(!begins(.h264, [0x78, 0, 2, 0x61, 0x65]))
    #expect(begins(.h264, [0x7c, 0x85, 1]))
    #expect(!begins(.h264, [0x7c, 0x05, 1]) && !begins(.h264, [0x7c, 0x81, 1]))
  }

  @Test("H.265: a parameter set or an IRAP picture, likewise (RFC 7798)")
  func h265() {
    #expect(begins(.h265, [0x40, 1, 0]) && begins(.h265, [0x26, 1, 0]))
    #expect(!begins(.h265, [0x02, 1, 0]))
    #expect(begins(.h265, [0x60, 1, 0, 2, 0x02, 1, 0, 2, 0x42, 1]))
    #expect(!begins(.h265, [0x60, 1, 0, 2, 0x02, 1]))
    #expect(begins(.h265, [0x62, 1, 0x93]) && !begins(.h265, [0x62, 1, 0x13]) && !begins(.h265, [0x62, 1, 0x81]))
  }

  @Test("AV1: the first packet of a coded video sequence")
  func av1() {
    #expect(begins(.av1, [0x18, 1]) && !begins(.av1, [0x10, 1]))
  }

  @Test("What is cut short begins nothing")
  func short() {
    for codec in VideoCodec.allCases { #expect(!begins(codec, [])) }
    for payload: [UInt8] in [[0x10], [0x90], [0x90, 0xe0, 0x91], [0x90, 0xe0, 0x91, 0x22, 0x33, 0x44]] {
      #expect(!begins(.vp8, payload))
    }
    for payload: [UInt8] in [[0x08], [0x88], [0x88, 0x81, 0x22], [0xa8, 0x11]] { #expect(!begins(.vp9, payload)) }
    for payload: [UInt8] in [[0x78], [0x78, 0, 9], [0x78, 0, 9, 1, 1], [0x7c]] { #expect(!begins(.h264, payload)) }
    for payload: [UInt8] in [[0x40], [0x60, 1], [0x60, 1, 0, 9], [0x62, 1]] { #expect(!begins(.h265, payload)) }
  }

  @Test("Names of SDP, in any case")
  func names() {
    #expect(VideoCodec(name: "vp8") == .vp8 && VideoCodec(name: "H264") == .h264 && VideoCodec(name: "opus") == nil)
  }
}
