import DTLS
import RTP
import SDP
import Wire

/// ICE credentials and certificate of one transport of the client.
struct LocalTransport: Sendable {
  let usernameFragment = Self.random(8)
  let password = Self.random(24)
  let certificate: DTLSCertificate

  init(certificate: DTLSCertificate) { self.certificate = certificate }

  private static func random(_ count: Int) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<count).map { _ in alphabet.randomElement() ?? "a" })
  }

  func lines(setup: SetupRole) -> [SDPLine] {
    [
      .attribute("ice-ufrag", usernameFragment), .attribute("ice-pwd", password),
      .attribute("fingerprint", "sha-256 \(certificate.fingerprint)"), .attribute("setup", setup.rawValue),
    ]
  }
}

/// The offer of a participant that sends one audio and one video track, as a browser would write it.
enum PublishOffer {
  static func text(_ local: LocalTransport, _ media: PublishedMedia) -> String {
    let head = """
      v=0
      o=- \(UInt64.random(in: 1 ..< 1 << 62)) 2 IN IP4 127.0.0.1
      s=-
      t=0 0
      a=group:BUNDLE 0 1
      a=extmap-allow-mixed
      """
    let transport = local.lines(setup: .actpass).map { "a=\($0.value)" }.joined(separator: "\n")
    let common = """
      c=IN IP4 0.0.0.0
      a=rtcp:9 IN IP4 0.0.0.0
      \(transport)
      a=ice-options:trickle
      a=sendonly
      a=rtcp-mux
      a=rtcp-rsize
      a=extmap:1 \(HeaderExtension.mid)
      a=extmap:2 \(HeaderExtension.transportWideSequence)
      """
    let audio = """
      m=audio 9 UDP/TLS/RTP/SAVPF 111
      \(common)
      a=mid:0
      a=msid:load audio
      a=rtpmap:111 opus/48000/2
      a=rtcp-fb:111 transport-cc
      a=fmtp:111 minptime=10;useinbandfec=1
      a=ssrc:\(media.audioSSRC) cname:load
      """
    let video = """
      m=video 9 UDP/TLS/RTP/SAVPF 96 97
      \(common)
      a=mid:1
      a=msid:load video
      a=rtpmap:96 VP8/90000
      a=rtcp-fb:96 transport-cc
      a=rtcp-fb:96 ccm fir
      a=rtcp-fb:96 nack
      a=rtcp-fb:96 nack pli
      a=rtpmap:97 rtx/90000
      a=fmtp:97 apt=96
      a=ssrc-group:FID \(media.videoSSRC) \(media.videoSSRC &+ 1)
      a=ssrc:\(media.videoSSRC) cname:load
      a=ssrc:\(media.videoSSRC &+ 1) cname:load
      """
    return [head, audio, video].joined(separator: "\n").replacing("\n", with: "\r\n") + "\r\n"
  }
}

/// Our answer to the server's offer of a subscribe peer: everything taken, received only.
enum SubscribeAnswer {
  private static let dropped: Set<String> = [
    "ssrc", "ssrc-group", "msid", "candidate", "end-of-candidates", "ice-ufrag", "ice-pwd", "fingerprint", "setup",
    "sendonly", "sendrecv", "recvonly", "inactive", "ice-lite", "ice-options",
  ]

  static func text(to offer: SessionDescription, _ local: LocalTransport, setup: SetupRole) -> String {
    var answer = SessionDescription(lines: [
      SDPLine(.version, "0"), SDPLine(.origin, "- \(UInt64.random(in: 1 ..< 1 << 62)) 2 IN IP4 127.0.0.1"),
      SDPLine(.sessionName, "-"), SDPLine(.timing, "0 0"),
    ])
    if let bundle = offer.bundle {
      answer.lines.append(.attribute("group", (["BUNDLE"] + bundle).joined(separator: " ")))
    }
    if offer.allowsMixedExtensions { answer.lines.append(.attribute("extmap-allow-mixed")) }
    answer.media = offer.media.map { section in
      var taken = section
      taken.port = 9
      taken.lines = section.lines.filter { !dropped.contains(name(of: $0)) }
      taken.lines += local.lines(setup: setup)
      let direction: MediaDirection = section.direction(in: offer).sends ? .recvonly : .inactive
      taken.lines.append(.attribute(direction.rawValue))
      return taken
    }
    return answer.serialized()
  }

  private static func name(of line: SDPLine) -> String {
    guard line.field == .attribute else { return "" }
    return String(line.value.prefix { $0 != ":" })
  }
}

/// What the load client needs of a description that the server wrote.
struct ServerDescription {
  var session: SessionDescription
  var usernameFragment: String
  var password: String
  var fingerprints: [PeerDescription.Fingerprint]
  var setup: SetupRole
  var candidates: [SocketAddress]

  init(_ text: String) throws {
    session = try SessionDescription.parse(text, limits: .subscribeAnswer)
    guard
      let section = session.media.first(where: { $0.iceUfrag != nil && !$0.candidates.isEmpty })
        ?? session.media.first(where: { $0.iceUfrag != nil }) ?? session.media.first
    else { throw BenchFailure("the server's SDP has no media") }
    guard let ufrag = section.iceUfrag ?? session.iceUfrag, let pwd = section.icePwd ?? session.icePwd else {
      throw BenchFailure("the server's SDP has no ICE credentials")
    }
    (usernameFragment, password) = (ufrag, pwd)
    let written = section.fingerprints.isEmpty ? session.fingerprints : section.fingerprints
    fingerprints = written.map { PeerDescription.Fingerprint(algorithm: $0.algorithm, value: $0.value) }
    setup = section.setup ?? session.setup ?? .actpass
    let all = section.candidates + session.candidates
    candidates = all.filter { $0.component == 1 && $0.transport.lowercased() == "udp" }
      .sorted { $0.priority > $1.priority }.compactMap(\.socketAddress)
  }

  /// The id under which the first m-line that has it carries the extension; 0: none.
  func extensionID(_ uri: String) -> UInt8 {
    for section in session.media {
      if let map = section.extensionMaps(in: session).first(where: { $0.uri == uri }) {
        return UInt8(truncatingIfNeeded: map.id)
      }
    }
    return 0
  }

  /// The SSRCs of media, retransmissions left out.
  var mediaSSRCs: Set<UInt32> {
    Set(session.media.filter { $0.direction(in: session).sends }.flatMap(\.mediaSSRCs))
  }

  func firstPayloadType(of kind: MediaDescription.Kind) -> UInt8? {
    session.media.first { $0.kind == kind && !$0.isDisabled }?.payloadTypes.first
  }
}
