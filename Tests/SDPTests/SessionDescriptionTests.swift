import SDP
import Testing

@Suite struct SessionDescriptionTests {
  @Test func vectorsAreThere() { #expect(Vectors.names.count == 22) }

  @Test(arguments: Vectors.names) func roundTripIsByteIdentical(name: String) throws {
    let text = try Vectors.text(name)
    let parsed = try SessionDescription.parse(text)
    #expect(Array(parsed.serialized().utf8) == Array(text.utf8))
  }

  @Test(arguments: Vectors.names) func lineFeedAloneEndsALine(name: String) throws {
    let text = try Vectors.text(name)
    let parsed = try SessionDescription.parse(text.replacing("\r\n", with: "\n"))
    #expect(parsed == (try SessionDescription.parse(text)))
    #expect(try SessionDescription.parse(String(text.utf8.dropLast(2)) ?? "") == parsed, "no end on the last line")
    #expect(try SessionDescription.parse(text + "\r\n\r\n") == parsed)
  }

  @Test func fieldsAreRead() throws {
    let offer = try Vectors.offer("chromium-156-sendonly-av")
    #expect(offer.origin == .init(sessionID: 8_161_407_336_784_250_642, sessionVersion: 2))
    #expect(offer.bundle == ["0", "1"])
    #expect(offer.allowsMixedExtensions)
    #expect(offer.media.map(\.kind) == [.video, .audio])
    #expect(offer.media[0].port == 40240)
    #expect(offer[mid: "1"]?.iceUfrag == "pxZh")
    #expect(offer[mid: "2"] == nil)
  }

  @Test func unknownAttributesAndOrderAreKept() throws {
    let text =
      "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns= \r\ni=x\r\nc=IN IP4 0.0.0.0\r\nb=AS:5\r\nt=0 0\r\na=zzz:1 2  3\r\n"
      + "m=audio 9/2 RTP/AVP 0 8\r\nb=TIAS:1\r\na=later\r\na=mid:x\r\na=later:again\r\n"
    #expect(try SessionDescription.parse(text).serialized() == text)
  }

  static let head = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\n"

  private static let refusals: [(String, SDPError)] = [
    ("", SDPError.missingField("v=")),
    ("\n\n", .missingField("v=")),
    ("hello", .missingField("v=")),
    ("v=1\n", .badField(line: 1, field: "v=", expected: "0")),
    ("o=- 1 1 IN IP4 0.0.0.0\n", .badField(line: 1, field: "order", expected: "v= before all else")),
    ("v=0\nm=audio 9 RTP/AVP 0", .missingField("o=")),
    (head + "a=x\u{0}y", .malformedLine(line: 5)),
    (head + "a=x\ry", .malformedLine(line: 5)),
    (head + "m=audio 65536 RTP/AVP 0", mediaError),
    (head + "m=audio -1 RTP/AVP 0", mediaError),
    (head + "m=audio +9 RTP/AVP 0", mediaError),
    (head + "m=audio 9/x RTP/AVP 0", mediaError),
    (head + "m=audio 9 RTP/AVP", mediaError),
  ]

  @Test(arguments: refusals) func badTextIsRefusedWithItsLine(text: String, error: SDPError) {
    #expect(throws: error) { try SessionDescription.parse(text) }
    #expect(error.isSyntax)
    #expect(!error.message.isEmpty)
  }

  static let mediaError = SDPError.badField(
    line: 5, field: "m=", expected: "<media> <port 0-65535> <protocol> <format> …")

  @Test func sizeIsBounded() throws {
    let limits = SDPLimits(bytes: 1000, lines: 20, lineBytes: 100, media: 3)
    let line = "a=x\n"
    let section = "m=audio 9 RTP/AVP 0\n"
    func parse(_ rest: String) throws(SDPError) { _ = try SessionDescription.parse(Self.head + rest, limits: limits) }
    try parse(String(repeating: line, count: 16))
    try parse(String(repeating: section, count: 3))
    try parse("a=" + String(repeating: "x", count: 98))
    #expect(throws: SDPError.tooManyLines(limit: 20)) { try parse(String(repeating: line, count: 17)) }
    #expect(throws: SDPError.tooManySessionLines(limit: 64)) {
      try SessionDescription.parse(Self.head + String(repeating: line, count: 61))
    }
    #expect(throws: SDPError.tooManyMedia(line: 8, limit: 3)) { try parse(String(repeating: section, count: 4)) }
    #expect(throws: SDPError.lineTooLong(line: 5, limit: 100)) { try parse("a=" + String(repeating: "x", count: 99)) }
    #expect(throws: SDPError.tooLarge(bytes: 1037, limit: 1000)) { try parse(String(repeating: "a", count: 1000)) }
  }
}
