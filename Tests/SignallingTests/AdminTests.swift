import Forwarding
import Foundation
import Logging
import NIOCore
import NIOPosix
import SFU
import Signalling
import Testing
import Wire

/// The admin API on a Unix socket in a folder of its own.
final class TestAdmin: Sendable {
  let path = NSTemporaryDirectory() + "needletail-\(UUID().uuidString.prefix(8))/admin.sock"
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let parts: NIOLoopBound<(FakeCalls, AdminServer)>

  init(tokens: SessionTokens? = nil, isStarted: Bool = true, before: (String) -> Void = { _ in }) throws {
    let loop = group.next()
    let path = path
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    before(path)
    parts = try loop.flatSubmit {
      let calls = FakeCalls()
      let admin = AdminServer(path: path, eventLoop: loop, log: Logger(label: "test"))
      let parts = NIOLoopBound((calls, admin), eventLoop: loop)
      return admin.listen().map { parts }
    }.wait()
    if isStarted { try start(tokens: tokens) }
  }

  func start(tokens: SessionTokens? = nil) throws {
    let info = AdminServerInfo(
      version: "1", startedAt: Date(), url: "https://h:1/", mediaPort: 3478, authentication: "none")
    try group.next().submit { [parts] in parts.value.1.start(parts.value.0, server: info, tokens: tokens) }.wait()
  }

  deinit {
    group.shutdownGracefully { _ in }
    try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent)
  }

  func withCalls<T: Sendable>(_ body: @escaping @Sendable (FakeCalls) -> T) throws -> T {
    try group.next().submit { [parts] in body(parts.value.0) }.wait()
  }

  func stop() throws { try group.next().submit { [parts] in parts.value.1.stop() }.wait() }

  func request(_ method: String, _ target: String, body: String = "") throws -> TestClient.Response {
    try TestClient(path: path).request(method, target, body: body)
  }
}

@Suite struct AdminTests {
  @Test func onlyItsUserMayOpenTheSocketAndItGoesAtTheEnd() throws {
    let admin = try TestAdmin()
    var status = stat()
    #expect(stat(admin.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    try admin.stop()
    #expect(stat(admin.path, &status) != 0)
  }

  @Test func replacesAStaleSocketButNothingElse() throws {
    let admin = try TestAdmin { path in
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      close(descriptor)
    }
    #expect(try admin.request("GET", "/status").status == 200)
    var occupied = ""
    #expect(throws: AdminSocketError.self) {
      try TestAdmin { path in
        occupied = path
        _ = FileManager.default.createFile(atPath: path, contents: nil)
      }
    }
    #expect(FileManager.default.fileExists(atPath: occupied))
    try FileManager.default.removeItem(atPath: (occupied as NSString).deletingLastPathComponent)
  }

  @Test func whoConnectsBeforeTheStartWaitsForIt() throws {
    let admin = try TestAdmin(isStarted: false)
    let client = try TestClient(path: admin.path)
    client.send("GET /status HTTP/1.1\r\nHost: t\r\n\r\n")
    #expect(!client.hears(milliseconds: 200))
    try admin.start()
    #expect(try client.response().status == 200)
  }

  private let blueRoom =
    #"{"name":"blue room","participants":[{"id":"p","name":"n","via":"whip","joinedSecondsAgo":1,"peers":[]}]}"#

  @Test func looks() throws {
    let admin = try TestAdmin()
    let room = try JSONDecoder().decode(RoomReport.self, from: Data(blueRoom.utf8))
    try admin.withCalls { $0.current.rooms = [room] }
    let status = try admin.request("GET", "/status")
    #expect(status.body.contains(#""url":"https://h:1/""#) && status.body.contains(#""participants":1"#))
    #expect(try admin.request("GET", "/rooms").body.contains(#""name":"blue room""#))
    #expect(try admin.request("GET", "/participants?room=blue%20room").body.contains(#""via":"whip""#))
    #expect(try admin.request("GET", "/participants").status == 400)
    #expect(try admin.request("GET", "/participants?room=red").status == 404)
    #expect(try admin.request("GET", "/streams").body == #"{"sinks":[],"sources":[]}"#)
    #expect(try admin.request("GET", "/fastpath").status == 200)
    #expect(try admin.request("GET", "/nothing").status == 404)
    #expect(try admin.request("POST", "/status").headers["allow"] == "GET")
  }

  @Test func tellsWhatTheFastPathCounts() throws {
    let admin = try TestAdmin()
    try admin.withCalls { calls in
      var source = SourceStatistics(id: SourceID(rawValue: 3))
      (source.packets, source.bytes, source.packetsOnKernel, source.lane) = (5, 700, 5, .kernel)
      source.lastArrival = Instant(nanoseconds: 1_000_000_000)
      var sink = SinkStatistics(id: SinkID(rawValue: 4))
      (sink.packets, sink.lastSent) = (5, Instant(nanoseconds: 1_500_000_000))
      calls.statistics = FastPathStatistics(at: Instant(nanoseconds: 2_000_000_000))
      calls.statistics.sources = [source, SourceStatistics(id: SourceID(rawValue: 1))]
      calls.statistics.sinks = [sink]
      calls.statistics.programs = [ProgramStatus(name: "needletail_xdp", id: 9)]
    }
    let body = try admin.request("GET", "/fastpath").body
    #expect(body.contains(#""programs":[{"id":9,"name":"needletail_xdp"}]"#))
    #expect(body.contains(#""bytes":700,"id":3,"lane":"kernel""#) && body.contains(#""lastSeenSecondsAgo":1,"#))
    #expect(body.contains(#""lastSentSecondsAgo":0.5,"#))
    #expect(body.components(separatedBy: "lastSeenSecondsAgo").count == 2, "the other was never seen")
  }

  @Test func traces() throws {
    let admin = try TestAdmin()
    try admin.withCalls { calls in
      var packet = TracedPacket(
        tuple: FiveTuple(local: SocketAddress(.v4(0x0a00_0001), 3478), remote: SocketAddress(.v4(0x0a00_0002), 5000)))
      (packet.verdict, packet.sequence, packet.sinkCount, packet.number) = ("broadcast", 77, 2, 5)
      (packet.sinks, packet.at) = ([SinkID(rawValue: 4)], Instant(nanoseconds: 1_000_000_000))
      calls.traceOutcome = .traced(
        TraceReport(
          source: 3, next: 6, missed: 2, overrun: 0, packets: [packet],
          sinks: [SinkID(rawValue: 4): TracedSink(remote: "10.0.0.3:6000", name: "recorder", ssrc: 9)],
          at: Instant(nanoseconds: 3_000_000_000)))
    }
    let answer = try admin.request("POST", "/trace", body: #"{"source":3,"every":10,"after":5}"#)
    #expect(answer.status == 200 && answer.body.contains(#""missed":2,"next":6,"#))
    #expect(answer.body.contains(#""nanoseconds":1000000000,"number":5,"#))
    #expect(answer.body.contains(#""remote":"10.0.0.2:5000","sequence":77"#))
    #expect(answer.body.contains(#"[{"id":4,"name":"recorder","remote":"10.0.0.3:6000","ssrc":9}]"#))
    struct Times: Decodable {
      struct Packet: Decodable { var time: Double }
      var packets: [Packet]
    }
    let times = try JSONDecoder().decode(Times.self, from: Data(answer.body.utf8))
    #expect(abs((times.packets.first?.time ?? 0) - (Date().timeIntervalSince1970 - 2)) < 5, "two seconds ago")
    #expect(try admin.request("POST", "/trace", body: #"{"source":3}"#).status == 200)
    #expect(
      try admin.withCalls { $0.traced } == [
        TraceRequest(source: 3, every: 10, after: 5), TraceRequest(source: 3, every: 1),
      ])
  }

  @Test func saysWhatCannotBeTraced() throws {
    let admin = try TestAdmin()
    #expect(try admin.request("POST", "/trace").body.contains(#"\"source\" is missing"#))
    #expect(try admin.request("POST", "/trace", body: #"{"source":-1}"#).status == 400)
    for every in [0, 1_000_001] {
      let body = #"{"source":1,"every":\#(every)}"#
      #expect(try admin.request("POST", "/trace", body: body).body.contains(#"\"every\" must be from 1"#))
    }
    #expect(try admin.request("GET", "/trace").headers["allow"] == "POST")
    #expect(try admin.request("POST", "/trace", body: #"{"source":1}"#).status == 404)
    try admin.withCalls { $0.traceOutcome = .refused("because") }
    let refused = try admin.request("POST", "/trace", body: #"{"source":1}"#)
    #expect(refused.status == 409 && refused.body.contains("not-traceable") && refused.body.contains("because"))
  }

  @Test func steers() throws {
    let admin = try TestAdmin()
    #expect(try admin.request("POST", "/kick", body: #"{"room":"r","participant":"p"}"#).status == 200)
    #expect(
      try admin.request("POST", "/mute", body: #"{"room":"r","participant":"p","track":"t","muted":false}"#).status
        == 200)
    #expect(try admin.request("POST", "/drain").status == 200)
    #expect(try admin.request("POST", "/drain", body: #"{"on":false}"#).status == 200)
    let missing = try admin.request("POST", "/close", body: #"{"room":"nowhere"}"#)
    #expect(missing.status == 404 && missing.body.contains("there is no room nowhere"))
    #expect(try admin.request("POST", "/kick", body: #"{"room":"r"}"#).body.contains(#"\"participant\" is missing"#))
    #expect(try admin.request("POST", "/kick", body: #"{"room":5}"#).body.contains(#"\"room\" must be"#))
    #expect(try admin.request("POST", "/kick", body: "{").status == 400)
    #expect(
      try admin.withCalls { $0.actions } == [
        .kick(room: "r", participant: "p"), .mute(room: "r", participant: "p", track: "t", muted: false), .drain(true),
        .drain(false), .close(room: "nowhere"),
      ])
  }

  @Test func setsUpClearRTP() throws {
    let admin = try TestAdmin()
    let camera = #"{"room":"r","name":"n","remote":"192.0.2.7:5004","codec":"vp8","payloadType":96,"ssrc":5}"#
    #expect(try admin.request("POST", "/rtp", body: camera).status == 200)
    #expect(try admin.request("DELETE", "/rtp?room=r&name=n").status == 200)
    #expect(try admin.request("DELETE", "/rtp", body: #"{"room":"r","name":"n"}"#).status == 200)
    #expect(try admin.request("GET", "/rtp/sdp?room=r&name=n").body == #"{"sdp":"v=0\r\n"}"#)
    let actions = try admin.withCalls { $0.actions }
    guard case .addRTP(let participant)? = actions.first else { return #expect(Bool(false), "\(actions)") }
    #expect(participant.formats.map(\.ssrc) == [5] && participant.formats.map(\.codec) == ["VP8"])
    #expect(
      actions.dropFirst() == [
        .removeRTP(room: "r", name: "n"), .removeRTP(room: "r", name: "n"), .describeRTP(room: "r", name: "n"),
      ])
    #expect(try admin.request("GET", "/rtp").body == #"{"participants":[]}"#)
    #expect(try admin.request("PATCH", "/rtp").headers["allow"] == "GET, POST, DELETE")
  }

  @Test func refusesClearRTPByField() throws {
    let admin = try TestAdmin()
    func refusal(_ body: String) throws -> (Int, String) {
      let response = try admin.request("POST", "/rtp", body: body)
      return (response.status, response.body)
    }
    let bad = try refusal(
      #"{"room":"r","name":"n","remote":"192.0.2.7:5004","codecs":[{"codec":"vp8","payloadType":96},{"codec":"opus","payloadType":70}]}"#
    )
    #expect(bad.0 == 400 && bad.1.contains(#"field \"codecs[1].payloadType\": 70 is not allowed"#))
    let type = try refusal(#"{"room":"r","name":"n","codec":"vp8","payloadType":"96"}"#)
    #expect(type.0 == 400 && type.1.contains(#"\"payloadType\" must be"#))
    #expect(try refusal(#"{"room":"a/b","name":"n"}"#).1.contains(#"field \"room\""#))
    let taken = try refusal(#"{"room":"taken","name":"n","remote":"192.0.2.7:5004","codec":"vp8","payloadType":96}"#)
    #expect(taken.0 == 409 && taken.1.contains("already-exists"))
    #expect(try admin.request("GET", "/rtp/sdp?room=r").status == 400)
  }

  @Test func captures() throws {
    let admin = try TestAdmin()
    let begun = try admin.request("POST", "/capture", body: #"{"room":"r","participant":"p","decrypted":true}"#)
    #expect(begun.status == 200 && begun.body == #"{"id":5}"#)
    let part = try admin.request("GET", "/capture/5")
    #expect(part.status == 200 && part.body == #"{"blocks":"AQID","dropped":1,"packets":7}"#)
    #expect(try admin.request("DELETE", "/capture/5").status == 200)
    let actions = try admin.withCalls { $0.actions }
    guard case .beginCapture(let order)? = actions.first else { return #expect(Bool(false), "\(actions)") }
    #expect(order.room == "r" && order.participant == "p" && order.isDecrypted && order.seconds == 60)
    #expect(abs(Double(order.timeOfDay) / 1e9 - Date().timeIntervalSince1970) < 10)
    #expect(
      actions.dropFirst() == [.readCapture(CaptureID(rawValue: 5)), .endCapture(CaptureID(rawValue: 5))])
    _ = try admin.request("POST", "/capture", body: #"{"room":"r","seconds":5}"#)
    let other = try admin.withCalls { $0.actions.last }
    guard case .beginCapture(let order)? = other else { return #expect(Bool(false), "no capture") }
    #expect(!order.isDecrypted && order.participant == nil && order.seconds == 5)
  }

  @Test func refusesCaptures() throws {
    let admin = try TestAdmin()
    #expect(try admin.request("POST", "/capture", body: "{}").body.contains(#"\"room\" is missing"#))
    for seconds in ["0", "601", "-1"] {
      let reply = try admin.request("POST", "/capture", body: #"{"room":"r","seconds":"# + seconds + "}")
      #expect(reply.status == 400 && reply.body.contains("1 to 600"))
    }
    let full = try admin.request("POST", "/capture", body: #"{"room":"full"}"#)
    #expect(full.status == 409 && full.body.contains("4 captures go on"))
    #expect(try admin.request("GET", "/capture/6").status == 404)
    #expect(try admin.request("GET", "/capture/x").status == 404)
    #expect(try admin.request("GET", "/capture/4294967296").status == 404)
    #expect(try admin.request("GET", "/capture").headers["allow"] == "POST")
    #expect(try admin.request("POST", "/capture/5").headers["allow"] == "GET, DELETE")
  }

  @Test func makesTokens() throws {
    #expect(try TestAdmin().request("POST", "/token").status == 409)
    let tokens = SessionTokens(secret: "0123456789abcdef0123456789abcdef")
    let admin = try TestAdmin(tokens: tokens)
    let response = try admin.request(
      "POST", "/token", body: #"{"room":"r","identity":"n","canPublish":false,"ttl":60}"#)
    let answer = try #require(try JSONSerialization.jsonObject(with: Data(response.body.utf8)) as? [String: Any])
    let token = try #require(answer["token"] as? String)
    #expect(try tokens.verify(token, now: Date()) == Grants(room: "r", identity: "n", canPublish: false))
    #expect(try admin.request("POST", "/token", body: #"{"ttl":0}"#).status == 400)
    #expect(try admin.request("POST", "/token", body: #"{"room":"a/b"}"#).status == 400)
  }
}
