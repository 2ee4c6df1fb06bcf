import Glibc
import SFU
import Testing
import Wire

/// What one message may cost the control loop, however it is made. Processor time of the thread, and the least of up to ten
/// times: what else the machine does is not the message's cost.
@Suite(.serialized) struct MessageBudgetTests {
  /// 20 ms on a quiet machine; twice as much beside tests that keep every processor busy.
  static let budget = Interval.milliseconds(40)

  /// The processor time that `run` takes.
  private static func cost(_ run: () -> Void) -> Interval {
    let begin = threadTime()
    run()
    return Interval(nanoseconds: threadTime() - begin)
  }

  private static func threadTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// The second is a new offer in a session.
  @Test("No offer costs more than the budget", arguments: HostileOffer.allCases)
  func offers(shape: HostileOffer) throws {
    let first = shape.text
    let second = first.replacing("o=- 1 1", with: "o=- 1 2")
    #expect(first.utf8.count <= 256 * 1024)
    var costs = (first: Interval(nanoseconds: .max), second: Interval(nanoseconds: .max))
    for _ in 0..<10 where costs.first >= Self.budget || costs.second >= Self.budget {
      let world = try World()
      let ann = world.join("ann")
      _ = world.join("bob")
      costs.first = min(costs.first, Self.cost { ann.say(.publish(sdp: first, sources: [:])) })
      costs.second = min(costs.second, Self.cost { ann.say(.publish(sdp: second, sources: [:])) })
    }
    #expect(costs.first < Self.budget && costs.second < Self.budget, "\(shape): \(costs)")
  }

  /// Forty in a room and four who publish sixteen tracks each: what one of them does is work for all.
  @Test func changesForAWholeRoomAreSpreadOverTurns() throws {
    let world = try World(participants: 100)
    let clients = (0..<40).map { world.join("c\($0)") }
    var seen = world.commands.count
    /// Tracks in the offers of the latest turn.
    func offered() -> Int {
      defer { seen = world.commands.count }
      return world.commands[seen...].reduce(0) { sum, command in
        if case .message(_, .offer(_, let tracks)) = command { sum + tracks.count } else { sum }
      }
    }
    for publisher in clients.prefix(4) {
      publisher.say(.publish(sdp: HostileOffer.tracks(16, first: publisher), sources: [:]))
      #expect(offered() < 240)
    }
    var ticks = 0
    while clients.dropFirst(4).contains(where: { $0.offers.isEmpty }), ticks < 100 {
      world.advance(.milliseconds(25))
      #expect(offered() < 240, "what is left waits for the next tick")
      ticks += 1
    }
    #expect((2...20).contains(ticks), "everybody is offered them soon, and not at once: \(ticks)")
  }

  /// As many m-lines as there may be, each with every codec that a browser has; then each written in another way.
  @Test(arguments: ["", ";x-"])
  func answersOfAWholeRoom(parameter: String) throws {
    let world = try World(participants: 100)
    let publishers = (0..<16).map { world.join("p\($0)") }
    for publisher in publishers { publisher.say(.publish(sdp: HostileOffer.everyCodec(publisher), sources: [:])) }
    for publisher in publishers { publisher.say(.subscribe(tracks: [], quality: nil)) }
    let bob = world.join("bob")
    world.advance(.seconds(1))
    let offer = try #require(bob.offers.last)
    #expect(offer.tracks.count == 255, "all that there are m-lines for")
    let peer = try BrowserPeer(in: world)
    let answer = try Vectors.answer(to: offer.sdp, as: peer)
    var number = 0
    let lines = answer.split(separator: "\r\n").map { line in
      number += 1
      return line.hasPrefix("a=fmtp:") && !line.contains("apt=") && !parameter.isEmpty
        ? "\(line)\(parameter)\(number)" : String(line)
    }
    let text = lines.joined(separator: "\r\n") + "\r\n"
    let errors = bob.errors
    let cost = Self.cost { bob.say(.answer(sdp: text)) }
    #expect(bob.errors == errors)
    #expect(cost < Self.budget, "\(cost) for \(text.utf8.count) octets")
  }

  @Test func ofAListOfTracksThoseThatThereAreCount() throws {
    let world = try World()
    let (ann, bob) = (world.join("ann"), world.join("bob"))
    try ann.publish()
    try bob.answer()
    let track = try #require(
      bob.heard.compactMap { if case .track(.added, _, let track) = $0 { track.id } else { nil } }.first)
    let ids = (0..<4000).map { "T\($0)" } + [track]
    #expect(Self.cost { bob.say(.subscribe(tracks: ids, quality: nil)) } < Self.budget)
    #expect(bob.offers.last?.tracks.values.map(\.track) == [track])
  }
}

/// Offers as long as they may be, each with as much as fits of something that a reader could look at again and again.
enum HostileOffer: CaseIterable {
  case wordyExtensions, manyMedia, feedbackOfEveryType, formats, bundleWords, mids, candidates, ssrcs, ssrcGroups,
    planB, parameters, extensionsOfMedia, rids, fingerprints, rtpmaps, stopped, attributes, msids, directions

  private static let transport = """
    a=ice-ufrag:abcdefgh
    a=ice-pwd:abcdefghabcdefghabcdefgh
    a=setup:actpass
    a=rtcp-mux
    a=fingerprint:sha-256 \(Array(repeating: "AB", count: 32).joined(separator: ":"))

    """
  private static let largest = 255 * 1024

  private static func head(_ mids: some Sequence<String>) -> String {
    "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE \(mids.joined(separator: " "))\n"
  }

  private static func section(_ mid: some CustomStringConvertible, types: String = "96", port: Int = 9) -> String {
    "m=video \(port) UDP/TLS/RTP/SAVPF \(types)\n\(transport)a=mid:\(mid)\na=sendonly\na=rtpmap:96 VP8/90000\n"
  }

  /// One m-line, and behind it as many lines as are taken.
  private static func one(types: String = "96", _ line: (Int) -> String) -> String {
    var text = head(["0"]) + section(0, types: types)
    var number = 0
    while number < 1000 {
      let next = line(number) + "\n"
      guard text.utf8.count + next.utf8.count <= largest else { break }
      text += next
      number += 1
    }
    return text
  }

  /// 64 m-lines, as many lines as are taken.
  private static func many(session: String = "", _ line: (Int) -> String) -> String {
    var text = head((0..<64).map(String.init)) + session
    let room = (largest - text.utf8.count) / 64 - section(63).utf8.count
    for mid in 0..<64 {
      text += section(mid)
      var lines = ""
      var number = 0
      while number < 110 {
        let next = line(number) + "\n"
        guard lines.utf8.count + next.utf8.count <= room else { break }
        lines += next
        number += 1
      }
      text += lines
    }
    return text
  }

  /// An offer of sixteen m-lines, of which `count` send.
  static func tracks(_ count: Int, first client: Client, version: Int = 1) -> String {
    let base = Int(client.connection.rawValue) * 1000
    return head((0..<16).map(String.init)).replacing("o=- 1 1", with: "o=- 1 \(version)")
      + (0..<16).map { mid in
        let text = section(mid) + "a=rtcp-fb:96 nack\na=ssrc:\(base + mid) cname:x\n"
        return mid < count ? text : text.replacing("a=sendonly", with: "a=inactive")
      }.joined()
  }

  /// An offer of sixteen m-lines that send, with the codecs of a browser.
  static func everyCodec(_ client: Client) -> String {
    let names = ["VP8", "VP9", "VP9", "H264", "H264", "H264", "H264", "AV1", "H265", "H264"]
    let h264 = "level-asymmetry-allowed=1;packetization-mode="
    let parameters = [
      "", "profile-id=0", "profile-id=2", h264 + "1;profile-level-id=42001f", h264 + "0;profile-level-id=42001f",
      h264 + "1;profile-level-id=42e01f", h264 + "0;profile-level-id=42e01f", "level-idx=5;profile=0;tier=0",
      "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST", h264 + "1;profile-level-id=64001f",
    ]
    var codecs = ""
    for (place, name) in names.enumerated() {
      let (type, retransmission) = (100 + place, 40 + place)
      codecs += "a=rtpmap:\(type) \(name)/90000\na=rtcp-fb:\(type) nack\na=rtcp-fb:\(type) nack pli\n"
      codecs +=
        "a=rtcp-fb:\(type) ccm fir\na=rtpmap:\(retransmission) rtx/90000\na=fmtp:\(retransmission) apt=\(type)\n"
      if !parameters[place].isEmpty { codecs += "a=fmtp:\(type) \(parameters[place])\n" }
    }
    let types = (names.indices.map { 100 + $0 } + names.indices.map { 40 + $0 }).map(String.init)
    let base = Int(client.connection.rawValue) * 1000
    return head((0..<16).map(String.init))
      + (0..<16).map { mid in
        "m=video 9 UDP/TLS/RTP/SAVPF \(types.joined(separator: " "))\n\(transport)a=mid:\(mid)\na=sendonly\n\(codecs)"
          + "a=ssrc:\(base + mid) cname:x\n"
      }.joined()
  }

  private static let everyType = ((0...63).map(String.init) + (96...127).map(String.init)).joined(separator: " ")

  var text: String {
    switch self {
    case .wordyExtensions:
      let words = String(repeating: " u", count: 1250)
      let session = (0..<55).map { "a=extmap:\($0 % 14 + 1)\(words)\($0)\n" }.joined()
      return Self.head((0..<64).map(String.init)) + session + (0..<64).map { Self.section($0) }.joined()
    case .manyMedia: return Self.many { "a=rtcp-fb:96 nack x\($0)" }
    case .feedbackOfEveryType:
      return Self.one(types: Self.everyType) { "a=rtcp-fb:* x\($0)" }
    case .formats:
      return Self.one(types: (0..<2600).map { "\($0 % 128)" }.joined(separator: " ")) {
        "a=rtpmap:\($0 % 128) VP8/90000"
      }
    case .bundleWords:
      return Self.head((0..<64).map(String.init) + (0..<3500).map { _ in "x" })
        + (0..<64).map { Self.section($0) }.joined()
    case .mids: return Self.one { "a=mid:\($0)" }
    case .candidates: return Self.one { "a=candidate:\($0) 1 udp 1 10.0.0.1 9 typ host" }
    case .ssrcs: return Self.one { "a=ssrc:\($0 + 1) cname:x" }
    case .ssrcGroups: return Self.one { "a=ssrc-group:FID \($0 + 1) \($0 + 100_000)" }
    case .planB: return Self.one { "a=ssrc:\($0 + 1) msid:\($0) \($0)" }
    case .parameters:
      return Self.one(types: Self.everyType) { "a=fmtp:\($0 % 128) \(String(repeating: "a;", count: 1000))" }
    case .extensionsOfMedia: return Self.many { "a=extmap:\($0 % 14 + 1) u\($0)" }
    case .rids:
      return Self.one { $0 == 0 ? "a=simulcast:send " + String(repeating: "a;", count: 4000) : "a=rid:\($0) send" }
    case .fingerprints: return Self.many { "a=fingerprint:sha-256 \($0)" }
    case .rtpmaps: return Self.one(types: Self.everyType) { "a=rtpmap:\($0 % 128) H264/90000" }
    case .stopped:
      return Self.head((0..<64).map(String.init)) + Self.section(0)
        + (1..<64).map { Self.section($0, port: 0) }.joined()
    case .attributes: return Self.one { "a=x-\($0)" }
    case .msids: return Self.many { "a=msid:\($0) \($0)" }
    case .directions: return Self.many { "a=inactive\($0)" }
    }
  }
}
