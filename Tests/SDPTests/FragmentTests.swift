import SDP
import Testing

@Suite struct FragmentTests {
  static let text = """
    a=group:BUNDLE 0 1\r
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r
    a=mid:0\r
    a=ice-ufrag:EsAw\r
    a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r
    a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r
    a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw\r
    a=end-of-candidates\r

    """

  @Test func rfc9725Example() throws {
    let fragment = try SDPFragment.parse(Self.text)
    #expect(fragment.serialized() == Self.text)
    #expect(fragment.iceUfrag == "EsAw")
    #expect(fragment.icePwd == "P2uYro0UCOQ4zxjKXaWCBui1")
    #expect(fragment.candidates.count == 2)
    #expect(fragment.mids == ["0"])
    #expect(try SDPFragment.parse(Self.text.replacing("\r\n", with: "\n")) == fragment)
  }

  @Test func credentialsMayStandBeforeTheMedia() throws {
    let fragment = try SDPFragment.parse("a=ice-ufrag:EsAw\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\n")
    #expect(fragment.iceUfrag == "EsAw" && fragment.icePwd != nil)
    #expect(fragment.mids.isEmpty && fragment.candidates.isEmpty)
  }

  @Test func otherLinesArePassedBy() throws {
    let text = "v=0\na=mid:0 \nc=IN IP4 0.0.0.0\n\nx\na=ice-ufrag:EsAw"
    #expect(try SDPFragment.parse(text).serialized() == "a=mid:0\r\na=ice-ufrag:EsAw\r\n")
  }

  @Test func restartIsRecognisedAndAnswered() throws {
    let session = try negotiate(Vectors.offer("chromium-156-sendonly-av"))
    #expect(try SDPFragment.parse(Self.text).restartsICE(of: session.remote))
    let same = "a=ice-ufrag:\(session.remote.iceUfrag)\na=ice-pwd:\(session.remote.icePwd)\n"
    #expect(try !SDPFragment.parse(same).restartsICE(of: session.remote))
    #expect(try !SDPFragment.parse("a=end-of-candidates").restartsICE(of: session.remote))
    let reply = SDPFragment(local: local, answering: session)
    #expect(try SDPFragment.parse(reply.serialized()) == reply)
    #expect(reply.iceUfrag == local.iceUfrag && reply.icePwd == local.icePwd)
    #expect(reply.candidates.compactMap(\.socketAddress) == local.candidates)
    #expect(reply.mids == ["0"] && reply.serialized().hasSuffix("a=end-of-candidates\r\n"))
  }

  @Test(arguments: [
    "v=0", "a=candidate:nonsense", "m=audio", "x", "a=", "a=ice-ufrag:x", "a=ice-pwd:short",
  ])
  func badFragments(text: String) {
    #expect(throws: SDPError.self) { try SDPFragment.parse(text) }
  }
}
