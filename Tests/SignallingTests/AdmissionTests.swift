import Foundation
import NIOCore
import SFU
import Signalling
import Testing
import Wire

@Suite struct ConnectionShareTests {
  private let ann = ClientNetwork(.v4(0xc000_0201))
  private let bob = ClientNetwork(.v4(0xc000_0202))

  @Test func nobodyTakesMoreThanAShare() {
    var shares = ConnectionShares(limit: 10, share: 2)
    #expect((0..<2).map { _ in shares.opened(ann) } == [.admitted, .admitted])
    #expect(shares.opened(ann) == .onlyToResume(.share))
    #expect(shares.opened(bob) == .admitted)
    shares.closed(ann, isUnproven: true)
    shares.closed(ann, isUnproven: false)
    #expect(shares.opened(ann) == .admitted)
  }

  @Test func theReserveIsForThoseWhoResumeAndOfNoOneAlone() {
    var shares = ConnectionShares(limit: 2, share: 2)
    for _ in 0..<2 { #expect(shares.opened(ann) == .admitted) }
    for _ in 0..<8 { #expect(shares.opened(bob) == .onlyToResume(.limit)) }
    #expect(shares.opened(bob) == .turnedAway(.limit))
    #expect(shares.isOverfull)
    // Who has resumed waits no more.
    shares.resumed(bob)
    #expect(shares.opened(bob) == .onlyToResume(.limit))
    let others = (0..<60).map { shares.opened(ClientNetwork(.v4(UInt32($0)))) }
    #expect(others.count { $0 == .onlyToResume(.limit) } == 55, "64 more than the limit in all")
    #expect(others.suffix(5).allSatisfy { $0 == .turnedAway(.limit) })
  }

  @Test func aHostOfIPv6HasAnAddressOf64Bits() {
    var shares = ConnectionShares(limit: 10, share: 1)
    #expect(shares.opened(ClientNetwork(.v6(7, 1))) == .admitted)
    #expect(shares.opened(ClientNetwork(.v6(7, 2))) == .onlyToResume(.share))
    #expect(shares.opened(ClientNetwork(.v6(8, 1))) == .admitted)
  }

  /// A proxy on this machine.
  @Test func whoHasNoShareHasThemAll() {
    var shares = ConnectionShares(limit: 20, share: 1)
    for _ in 0..<20 { #expect(shares.opened(nil) == .admitted) }
    for _ in 0..<64 { #expect(shares.opened(nil) == .onlyToResume(.limit)) }
    #expect(shares.opened(nil) == .turnedAway(.limit))
  }
}

@Suite struct AdmissionTests {
  private let join = #"{"type":"join","room":"r","name":"n"}"#
  private let resume = #"{"type":"join","room":"r","name":"n","resume":"secret"}"#

  private func open(_ server: TestServer) throws -> TestClient {
    let client = try TestClient(port: server.port)
    #expect(try client.openWebSocket() == 101)
    return client
  }

  @Test func whoComesBackFindsRoom() throws {
    var limits = SignallingLimits()
    limits.connections = 2
    let server = try TestServer(limits: limits)
    let idle = try TestClient(port: server.port)
    #expect(try idle.request("GET", "/healthz").status == 200)
    let first = try open(server)
    first.send(message: join)
    #expect(try first.message()["type"] as? String == "joined")
    let plain = try TestClient(port: server.port).request("GET", "/healthz")
    #expect(plain.status == 503 && plain.body.contains("2 connections (max-connections)"))
    let stranger = try open(server)
    stranger.send(message: join)
    #expect(try stranger.message()["code"] as? String == "limit-exceeded")
    #expect(try stranger.closeFrame() == (1008, "limit-exceeded"))
    let liar = try open(server)
    liar.send(message: resume.replacing("secret", with: "guess"))
    #expect(try liar.message()["code"] as? String == "limit-exceeded")
    let back = try open(server)
    back.send(message: resume)
    #expect(try back.message()["type"] as? String == "joined")
    #expect(try idle.isAtEnd(), "who is in no call makes way")
    first.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    #expect(try first.message()["message"] as? String == "echo")
    first.close()
    let refused = try metrics(server).split(separator: "\n").first {
      $0.hasPrefix(#"needletail_connections_refused_total{limit="max-connections"} "#)
    }
    #expect((refused?.split(separator: " ").last.flatMap { Int($0) } ?? 0) >= 3)
  }

  /// Once there is room.
  private func metrics(_ server: TestServer) throws -> String {
    for _ in 0..<3000 {
      if let page = try? TestClient(port: server.port).request("GET", "/metrics"), page.status == 200 {
        return page.body
      }
      usleep(10_000)
    }
    throw TestFailure(reason: "no room")
  }

  @Test func aPlaceIsHeldOnlyForAMoment() throws {
    var limits = SignallingLimits()
    limits.connections = 1
    limits.resumeTimeout = .milliseconds(300)
    let server = try TestServer(limits: limits)
    let first = try open(server)
    let second = try open(server)
    #expect(try second.closeFrame().code == 1008)
    first.send(message: join)
    #expect(try first.message()["type"] as? String == "joined")
  }

  @Test(arguments: ["frame", "fragments"])
  func aMessageMustEnd(kind: String) throws {
    var limits = SignallingLimits()
    limits.messageTimeout = .milliseconds(500)
    let server = try TestServer(limits: limits)
    let client = try open(server)
    client.send(message: join)
    #expect(try client.message()["type"] as? String == "joined")
    if kind == "frame" {
      client.send([0x81, 0xfe, 0x10, 0, 1, 2, 3, 4, 0x20])
    } else {
      client.send(frame: 1, [0x20], isFinal: false)
      // They may come within, and put nothing off.
      for _ in 0..<3 {
        usleep(100_000)
        client.send(frame: 9, [])
        #expect(try client.frame().opcode == 10)
      }
    }
    let close = try client.closeFrame()
    #expect(close.code == 1008 && close.reason.hasPrefix("a message did not end"))
  }

  @Test func allTogetherHoldNoMoreThanTheBudget() throws {
    var limits = SignallingLimits()
    limits.unfinishedBytes = 100_000
    let server = try TestServer(limits: limits)
    let (holder, other) = (try open(server), try open(server))
    for client in [holder, other] {
      client.send(message: join)
      #expect(try client.message()["type"] as? String == "joined")
    }
    let message = #"{"type":"\#(String(repeating: "x", count: 110_000))"}"#
    other.send(message: message)
    #expect(try other.message()["code"] as? String == "bad-message")
    holder.send([0x81, 0xff, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0x20, count: 110_000))
    let held = "needletail_unfinished_bytes 9"
    var page = ""
    while !page.contains(held) { page = try TestClient(port: server.port).request("GET", "/metrics").body }
    other.send(message: message)
    let refusal = try other.message()
    #expect(refusal["code"] as? String == "limit-exceeded")
    #expect((refusal["message"] as? String)?.contains("100000 bytes of unfinished messages") == true)
    // What fits into its own 16 KiB goes on.
    other.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    #expect(try other.message()["message"] as? String == "echo")
    let post = try TestClient(port: server.port)
      .request("POST", "/whip/r/n", headers: ["Content-Type": "application/sdp"], body: message)
    #expect(post.status == 503 && post.body.contains("100000 bytes of unfinished requests"))
    holder.close()
    while page.contains(held) { page = try TestClient(port: server.port).request("GET", "/metrics").body }
    other.send(message: message)
    #expect(try other.message()["code"] as? String == "bad-message")
  }

  @Test func noBodyIsReadOfWhoMayNotAsk() throws {
    let server = try TestServer(tokens: SessionTokens(secret: "0123456789abcdef0123456789abcdef"))
    let waiting = try TestClient(port: server.port)
    let head = "POST /whip/r/n HTTP/1.1\r\nHost: t\r\nContent-Type: application/sdp\r\nContent-Length: 100000\r\n"
    waiting.send(head + "Expect: 100-continue\r\n\r\n")
    #expect(try waiting.response().status == 401)
    // Who sends it all the same is answered when it has ended, and may ask again.
    let client = try TestClient(port: server.port)
    client.send(head + "\r\n" + String(repeating: "x", count: 100_000))
    #expect(try client.response().status == 401)
    #expect(try client.request("GET", "/healthz", body: "a body that nobody reads").status == 200)
  }
}

@Suite struct OriginTests {
  private func status(_ server: TestServer, origin: String?, host: String = "meet.example:8443") throws -> Int {
    let client = try TestClient(port: server.port)
    client.send(
      "GET /ws HTTP/1.1\r\nHost: \(host)\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + (origin.map { "Origin: \($0)\r\n" } ?? "") + "\r\n")
    return try client.response().status
  }

  @Test func pagesOfOthersOpenNoCalls() throws {
    let server = try TestServer(origins: .own(and: ["https://friend.example"]))
    for (origin, expected) in [
      (nil, 101), ("https://meet.example:8443", 101), ("http://meet.example:8443", 101),
      ("https://MEET.example:8443", 101),
      ("https://friend.example", 101), ("https://evil.example", 403), ("https://meet.example", 403), ("null", 403),
      ("https://friend.example.evil.example", 403), ("", 403), ("https://meet.example:8443\r\nOrigin: https://a", 403),
    ] as [(String?, Int)] {
      #expect(try status(server, origin: origin) == expected, "\(origin ?? "none")")
    }
    #expect(try status(server, origin: "https://meet.example", host: "meet.example") == 101)
    #expect(try status(server, origin: "https://meet.example", host: "meet.example:443") == 101)
  }

  @Test func norByWHIP() throws {
    let server = try TestServer(origins: .own(and: []))
    let client = try TestClient(port: server.port)
    for method in ["POST", "OPTIONS"] {
      let response = try client.request(
        method, "/whip/r/n", headers: ["Origin": "https://evil.example", "Content-Type": "application/sdp"],
        body: method == "POST" ? "v=0" : "")
      #expect(response.status == 403 && response.body.contains("allowed-origins"))
    }
    #expect(try server.withCalls { $0.inputs.isEmpty })
    #expect(
      try client.request("POST", "/whip/r/n", headers: ["Content-Type": "application/sdp"], body: "v=0").status == 201)
  }

  @Test func anyMeansAny() throws {
    #expect(try status(try TestServer(), origin: "https://elsewhere.example") == 101)
  }

  @Test(arguments: [
    ("https://meet.example", true), ("http://[2001:db8::1]:8080", true), ("https://a/", false), ("meet.example", false),
    ("https://", false), ("ftp://a", false),
  ])
  func originsAreWhatBrowsersSay(text: String, isOrigin: Bool) { #expect(OriginRule.isOrigin(text) == isOrigin) }

  @Test func aURLHasAnOrigin() {
    #expect(OriginRule.origin(of: "https://Meet.example:8443/calls") == "https://meet.example:8443")
    #expect(OriginRule.origin(of: "https://meet.example") == "https://meet.example")
    #expect(OriginRule.origin(of: "meet.example") == nil)
  }
}

@Suite struct LoopTurnTests {
  @Test func longTurnsAreCountedAndSaid() {
    let record = LogRecord()
    var now = Instant.zero
    let turns = LoopTurns(log: record.logger) { now }
    func spend(_ milliseconds: UInt64) { now = now.advanced(by: .milliseconds(milliseconds)) }
    turns.measure("tick") { spend(99) }
    #expect(record.text.isEmpty)
    turns.measure("connection") {
      spend(1)
      turns.measure("join") { spend(2) }
      turns.measure("publish") { spend(120) }
      turns.measure("leave") { spend(1) }
    }
    turns.measure("fast path") { spend(200) }
    #expect(turns.times.counts == [0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0])
    #expect(turns.times.sum == .milliseconds(423))
    let lines = record.text.split(separator: "\n")
    #expect(lines.count == 2 && lines.allSatisfy { $0.contains("the event loop was held up") })
    #expect(lines.first?.contains("publish") == true && lines.first?.contains("124") == true)
    #expect(lines.last?.contains("fast path") == true && lines.last?.contains("publish") == false)
  }

  @Test func callsThatGoOnDoNotWaitForEveryConnection() {
    var now = Instant.zero
    let turns = LoopTurns(log: LogRecord().logger, now: { now })
    var letIn: [UInt64] = []
    turns.others = { letIn.append(now.nanoseconds / 1_000_000) }
    for _ in 0..<10 {
      turns.measure("connection") {
        now = now.advanced(by: .milliseconds(2))
        turns.letOthersIn()
      }
      turns.letOthersIn()
    }
    #expect(letIn == [6, 12, 18], "every five milliseconds, between turns alone")
  }

  @Test func everyRequestIsATurn() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    for _ in 0..<5 { _ = try client.request("GET", "/healthz") }
    let page = try client.request("GET", "/metrics").body
    let count = page.split(separator: "\n").first { $0.hasPrefix("needletail_loop_turn_seconds_count ") }
    #expect((count?.split(separator: " ").last.flatMap { Int($0) } ?? 0) >= 6)
  }
}

@Suite struct ProcessorShareTests {
  private let start = NIODeadline.now()

  @Test func aClientHasAnEighthInTheLongRun() {
    var share = ProcessorShare.ofConnection
    var now = start
    var work = Interval.zero
    while now < start + .seconds(100) {
      share.spent(.milliseconds(5), now: now)
      work.nanoseconds += 5_000_000
      now = now + .milliseconds(5) + share.pause(now: now)
    }
    #expect((12.4...13.2).contains(work.seconds), "half a second at once, and an eighth of the time: \(work)")
    #expect(share.pause(now: now + .seconds(10)) == .zero && share.debt(now: now + .seconds(10)) == .zero)
  }

  @Test func allConnectionsOfANetworkHaveAQuarter() {
    var share = ProcessorShare.ofNetwork
    var now = start
    var work = Interval.zero
    while now < start + .seconds(100) {
      share.spent(.milliseconds(5), now: now)
      work.nanoseconds += 5_000_000
      now = now + .milliseconds(5) + share.pause(now: now)
    }
    #expect((26...28).contains(work.seconds), "two seconds at once, and a quarter of the time: \(work)")
  }

  @Test func halfASecondAtOnceCostsNoPause() {
    var share = ProcessorShare.ofConnection
    share.spent(.milliseconds(500), now: start)
    #expect(share.pause(now: start) == .zero && share.debt(now: start) == .seconds(4))
    share.spent(.milliseconds(100), now: start)
    #expect(share.pause(now: start) == .milliseconds(800))
  }

  @Test func nobodyIsLeftUnreadForLong() {
    var share = ProcessorShare.ofConnection
    for _ in 0..<3 { share.spent(Interval(nanoseconds: .max), now: start) }
    #expect(share.pause(now: start) == .seconds(5))
  }

  @Test func whatIsLeftToLaterTurnsCountsAsWell() {
    var time = Instant.zero
    let turns = LoopTurns(log: LogRecord().logger, processorTime: { time })
    turns.leaves(.seconds(9))
    let work = turns.work {
      time = time.advanced(by: .milliseconds(3))
      turns.leaves(.milliseconds(10))
      let inner = turns.work { turns.leaves(.milliseconds(5)) }
      #expect(inner == .milliseconds(5))
      turns.leaves(.milliseconds(1))
    }
    #expect(work == .milliseconds(14))
  }

  @Test func whoAsksForMoreIsReadLaterAndLosesNothing() throws {
    let server = try TestServer(workOfATurn: .milliseconds(20))
    let client = try TestClient(port: server.port)
    for _ in 0..<12 { #expect(try client.request("GET", "/healthz").status == 200) }
    let other = try TestClient(port: server.port)
    let page = try other.request("GET", "/metrics").body
    let pauses = page.split(separator: "\n").first { $0.hasPrefix("needletail_connection_pauses_total ") }
    #expect((pauses?.split(separator: " ").last.flatMap { Int($0) } ?? 0) > 0)
  }
}

@Suite struct ArrivalPaceTests {
  private let ann = ClientNetwork(.v4(1))

  @Test func whatAConnectionDidNotPayTheNextOnesDo() {
    var pace = pace(burst: 10, perSecond: 10)
    let start = NIODeadline.now()
    #expect(pace.wait(ann, now: start) == .zero)
    pace.charge(.seconds(2), to: ann, now: start)
    // A second is what a burst is worth.
    #expect(pace.wait(ann, now: start) == .milliseconds(1200))
    #expect(pace.wait(ClientNetwork(.v4(2)), now: start) == .zero)
    pace.charge(.seconds(1000), to: ann, now: start)
    #expect(pace.wait(ann, now: start) == .milliseconds(2100), "nobody is turned away for it")
    #expect(pace.wait(ann, now: start + .seconds(3)) == .zero)
  }

  private func pace(burst: Int, perSecond: Int, ofAll: Int = 1000) -> ArrivalPace {
    ArrivalPace(
      each: ArrivalPace.Rate(burst: burst, perSecond: perSecond), all: ArrivalPace.Rate(burst: ofAll, perSecond: ofAll))
  }

  @Test func thoseOfOneNetworkTakeTurns() {
    var pace = pace(burst: 3, perSecond: 10)
    let start = NIODeadline.now()
    let waits = (0..<5).map { _ in pace.wait(ann, now: start) }
    #expect(waits == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200)])
    #expect(pace.wait(ClientNetwork(.v4(2)), now: start) == .zero)
    #expect(pace.wait(nil, now: start) == .zero)
    #expect(pace.wait(ann, now: start + .milliseconds(300)) == .zero)
    // The queue ends at five seconds.
    let later = start + .seconds(100)
    let more = (0..<60).map { _ in pace.wait(ann, now: later) }
    #expect(more.count { $0 == nil } == 7 && more[52] == .seconds(5))
    #expect(pace.wait(ann, now: later + .seconds(1)) != nil)
  }

  @Test func manyNetworksTogetherTakeTurnsAndThoseOfFewGoFirst() {
    var pace = pace(burst: 100, perSecond: 100, ofAll: 10)
    let now = NIODeadline.now()
    var waits: [TimeAmount?] = []
    for number in 0..<30 as Range<UInt32> {
      for _ in 0..<10 { waits.append(pace.wait(ClientNetwork(.v4(number)), now: now)) }
    }
    // Eight of each at once; the others of the first one wait for those, of the later ones there are too many.
    #expect(waits.count { $0 == .zero } == 30 * 8 + 2)
    #expect(waits.count { $0 == nil } > 40)
    #expect(pace.wait(ClientNetwork(.v4(99)), now: now) == .zero)
    #expect(pace.wait(ClientNetwork(.v4(1)), now: now + .seconds(60)) == .zero)
  }

  @Test func whoComesFromEverywhereIsNotRemembered() {
    var pace = pace(burst: 1, perSecond: 1)
    let now = NIODeadline.now()
    for host in 0..<20_000 as Range<UInt32> { #expect(pace.wait(ClientNetwork(.v4(host)), now: now) == .zero) }
  }
}
