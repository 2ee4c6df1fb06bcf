import Foundation
import NIOCore
import SFU
import Signalling
import Testing

@Suite struct WebSocketTests {
  private let join = #"{"type":"join","room":"r","name":"n"}"#

  private func open(_ server: TestServer) throws -> TestClient {
    let client = try TestClient(port: server.port)
    #expect(try client.openWebSocket() == 101)
    return client
  }

  private func code(_ message: [String: Any]) -> String? {
    message["type"] as? String == "error" ? message["code"] as? String : nil
  }

  @Test func joinsAndSpeaks() throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(message: join)
    #expect(try client.message()["type"] as? String == "joined")
    client.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    #expect(code(try client.message()) == "out-of-order")
    client.close()
    #expect(
      try server.eventually { calls in
        if case .disconnected = calls.inputs.last { true } else { false }
      })
    #expect(try server.withCalls { $0.inputs.count } == 3)
  }

  @Test func wantsJoinFirst() throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(message: #"{"type":"leave"}"#)
    #expect(code(try client.message()) == "out-of-order")
    #expect(try server.withCalls { $0.inputs.isEmpty })
  }

  @Test func staysOpenAfterBadMessages() throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(message: "{")
    #expect(code(try client.message()) == "bad-json")
    client.send(message: #"{"type":"join"}"#)
    #expect(code(try client.message()) == "bad-message")
    client.send(frame: 2, [1, 2, 3])
    #expect(code(try client.message()) == "bad-message")
    client.send(message: join)
    #expect(try client.message()["type"] as? String == "joined")
  }

  @Test func assemblesFragmentsAroundPings() throws {
    let server = try TestServer()
    let client = try open(server)
    let bytes = Array(join.utf8)
    client.send(frame: 1, Array(bytes[..<10]), isFinal: false)
    client.send(frame: 9, [7])
    client.send(frame: 0, Array(bytes[10..<20]), isFinal: false)
    client.send(frame: 0, Array(bytes[20...]))
    let pong = try client.frame()
    #expect(pong.opcode == 10 && pong.payload == [7])
    #expect(try client.message()["type"] as? String == "joined")
  }

  @Test func refusesOversizedMessagesAndGoesOn() throws {
    var limits = SignallingLimits()
    limits.messageBytes = 1000
    let server = try TestServer(limits: limits)
    let client = try open(server)
    client.send(frame: 1, [UInt8](repeating: 0x20, count: 1001))
    #expect((try client.message()["message"] as? String)?.contains("1000 bytes (max-message-bytes)") == true)
    client.send(frame: 1, [UInt8](repeating: 0x20, count: 600), isFinal: false)
    client.send(frame: 0, [UInt8](repeating: 0x20, count: 600))
    #expect(code(try client.message()) == "limit-exceeded")
    client.send(message: join)
    #expect(try client.message()["type"] as? String == "joined")
    client.send(frame: 1, [UInt8](repeating: 0x20, count: 5000))
    #expect(code(try client.message()) == "limit-exceeded")
    #expect(try client.closeFrame().code == 1009)
  }

  /// A frame of which the end never comes is held; so would many small messages be.
  @Test(arguments: [true, false])
  func bringsLittleBeforeTheJoin(isOneFrame: Bool) throws {
    let server = try TestServer()
    let client = try open(server)
    if isOneFrame {
      let length = 1 << 20
      client.send([0x81, 0xff] + (0..<8).map { UInt8(truncatingIfNeeded: length >> (56 - 8 * $0)) } + [0, 0, 0, 0])
      client.send([UInt8](repeating: 0x20, count: 70_000))
    } else {
      for _ in 0..<5 { client.send(frame: 1, [UInt8](repeating: 0x20, count: 14_000)) }
      for _ in 0..<4 { #expect(code(try client.message()) == "bad-json") }
    }
    var last = try client.message()
    if code(last) == "bad-json" { last = try client.message() }
    #expect(code(last) == "limit-exceeded")
    #expect((last["message"] as? String)?.contains("65536 bytes before a join") == true)
    #expect(try client.closeFrame().code == 1009)
  }

  @Test func bringsMoreWithTheJoin() throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(message: join)
    client.send(frame: 1, Array(#"{"type":"answer","sdp":"\#(String(repeating: "x", count: 200_000))"}"#.utf8))
    #expect(try client.message()["type"] as? String == "joined")
    #expect((try client.message())["message"] as? String == "echo")
  }

  /// A token opens the door; it does not end a call when it expires.
  @Test func whoIsCutOffComesBackThoughItsTokenHasExpired() throws {
    let tokens = SessionTokens(secret: "0123456789abcdef0123456789abcdef")
    let server = try TestServer(tokens: tokens)
    func token(for lifetime: Double) throws -> String {
      try tokens.make(.everything, issuedAt: Date(timeIntervalSinceNow: -100), lifetime: lifetime)
    }
    func joining(_ token: String?, _ resume: String? = nil) throws -> (client: TestClient, answer: [String: Any]) {
      let client = try open(server)
      let secrets = (token.map { #","token":"\#($0)""# } ?? "") + (resume.map { #","resume":"\#($0)""# } ?? "")
      client.send(message: #"{"type":"join","room":"r","name":"n"\#(secrets)}"#)
      return (client, try client.message())
    }
    let (expired, good) = (try token(for: 50), try token(for: 1000))
    #expect(code(try joining(expired).answer) == "unauthorized")
    #expect(code(try joining(expired, "secret").answer) == "unauthorized", "nobody was given it yet")
    let first = try joining(good)
    #expect(first.answer["resume"] as? String == "secret")
    let second = try joining(expired, "secret")
    #expect(second.answer["resume"] as? String == "secret-2")
    #expect(code(try joining(expired, "secret").answer) == "unauthorized", "a secret is good for one time")
    let third = try joining(nil, "secret-2")
    #expect(third.answer["resume"] as? String == "secret-3")
    #expect(code(try joining(expired, "another").answer) == "unauthorized")
    #expect(code(try joining("a.b.c", "secret-3").answer) == "unauthorized", "a token that was never good is refused")
    third.client.send(message: #"{"type":"restart","target":"publish"}"#)
    #expect(try third.client.closeFrame().code == 1008)
    for secret in ["secret", "secret-2", "secret-3"] {
      #expect(code(try joining(expired, secret).answer) == "unauthorized", "it was kicked")
    }
    _ = (first, second)
  }

  @Test func limitsTheRate() throws {
    var limits = SignallingLimits()
    limits.messagesPerSecond = 1
    limits.messageBurst = 3
    let server = try TestServer(limits: limits)
    let client = try open(server)
    for _ in 0..<4 { client.send(message: #"{"type":"leave"}"#) }
    for _ in 0..<3 { #expect(code(try client.message()) == "out-of-order") }
    let refusal = try client.message()
    #expect(code(refusal) == "rate-limited")
    #expect((refusal["message"] as? String)?.contains("1 messages per second (max-messages-per-second)") == true)
    for _ in 0..<200 { client.send(message: "{}") }
    var last: TestClient.Frame?
    repeat { last = try client.frame() } while last?.opcode == 1
    #expect(last?.opcode == 8)
  }

  @Test func countsEveryFrame() throws {
    var limits = SignallingLimits()
    limits.messagesPerSecond = 1
    limits.messageBurst = 3
    let server = try TestServer(limits: limits)
    let fragmenting = try open(server)
    fragmenting.send(frame: 1, [], isFinal: false)
    for _ in 0..<4 { fragmenting.send(frame: 0, [], isFinal: false) }
    fragmenting.send(frame: 0, Array(join.utf8))
    #expect(code(try fragmenting.message()) == "rate-limited")
    let pinging = try open(server)
    for _ in 0..<200 { pinging.send(frame: 9, []) }
    for _ in 0..<3 { #expect(try pinging.frame().opcode == 10) }
    let close = try pinging.closeFrame()
    #expect(close.code == 1008 && close.reason == "rate-limited")
    #expect(try server.withCalls { $0.inputs.isEmpty })
  }

  /// 100 kB are seven tokens, of which there are four: they pass, and what comes next does not.
  @Test func countsLargeMessagesMoreThanOnce() throws {
    var limits = SignallingLimits()
    limits.messagesPerSecond = 1
    limits.messageBurst = 5
    let server = try TestServer(limits: limits)
    let client = try open(server)
    client.send(message: join)
    _ = try client.message()
    client.send(message: #"{"type":"\#(String(repeating: "x", count: 100_000))"}"#)
    #expect(code(try client.message()) == "bad-message")
    client.send(message: join)
    #expect(code(try client.message()) == "rate-limited")
  }

  @Test(arguments: ["unmasked", "empty", "continuation", "nested", "control", "opcode"])
  func closesOnViolations(kind: String) throws {
    let server = try TestServer()
    let client = try open(server)
    switch kind {
    case "unmasked": client.send(frame: 1, Array(join.utf8), isMasked: false)
    case "empty": client.send(frame: 1, [], isMasked: false)
    case "continuation": client.send(frame: 0, [1])
    case "nested":
      client.send(frame: 1, [1], isFinal: false)
      client.send(frame: 1, [1])
    case "control": client.send(frame: 9, [UInt8](repeating: 1, count: 200))
    default: client.send(frame: 5, [1])
    }
    #expect(try client.closeFrame().code == 1002)
  }

  @Test func closesOnTextThatIsNotUTF8() throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(frame: 1, [0x22, 0xff, 0xfe, 0x22])
    #expect(try client.closeFrame().code == 1007)
  }

  @Test(arguments: [
    ([], 1000), ([0x03, 0xe8], 1000), ([0x0f, 0xa0, 0x6f, 0x6b], 1000), ([0x03], 1002), ([0x03, 0xed], 1002),
    ([0x03, 0xe7], 1002), ([0x13, 0x88], 1002), ([0x03, 0xe8, 0xff], 1007),
  ])
  func answersClose(body: [UInt8], code: Int) throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(frame: 8, body)
    #expect(try client.closeFrame().code == code)
    #expect(try client.isAtEnd())
  }

  @Test func closesWhenTheSFUSaysSo() throws {
    let server = try TestServer()
    let client = try open(server)
    client.send(message: join)
    _ = try client.message()
    client.send(message: #"{"type":"restart","target":"subscribe"}"#)
    let close = try client.closeFrame()
    #expect(close.code == 1008 && close.reason == "kicked")
  }

  @Test func pingsAndGivesUpOnSilence() throws {
    var limits = SignallingLimits()
    limits.pingInterval = .milliseconds(100)
    limits.silenceTimeout = .seconds(2)
    let server = try TestServer(limits: limits)
    let alive = try open(server)
    let dead = try open(server)
    for _ in 0..<30 {
      let ping = try alive.frame()
      #expect(ping.opcode == 9)
      alive.send(frame: 10, ping.payload)
    }
    alive.send(message: join)
    #expect(try alive.message()["type"] as? String == "joined")
    var last = try dead.frame()
    while last.opcode == 9 { last = try dead.frame() }
    #expect(last.opcode == 8 && last.payload.starts(with: [0x03, 0xf0]))
    #expect(try dead.isAtEnd(), "it does not answer")
  }

  /// A process that was stopped, or a loop that something held up, has not listened.
  @Test func theServersOwnAbsenceIsNobodysSilence() throws {
    var limits = SignallingLimits()
    limits.pingInterval = .milliseconds(100)
    limits.silenceTimeout = .seconds(1)
    let server = try TestServer(limits: limits)
    let client = try open(server)
    client.send(message: join)
    _ = try client.message()
    try server.withCalls { _ in sleep(4) }
    for _ in 0..<30 {
      let ping = try client.frame()
      #expect(ping.opcode == 9)
      client.send(frame: 10, ping.payload)
    }
  }

  @Test func closesWhoDoesNotJoin() throws {
    var limits = SignallingLimits()
    limits.joinTimeout = .seconds(2)
    let server = try TestServer(limits: limits)
    let (joined, idle) = (try open(server), try open(server))
    for client in [joined, idle] { client.send(message: client === joined ? join : "{}") }
    #expect(try joined.message()["type"] as? String == "joined")
    #expect(code(try idle.message()) == "bad-message")
    #expect(try idle.closeFrame().code == 1008)
    joined.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    #expect(code(try joined.message()) == "out-of-order")
  }

  @Test func closesWhoLeavesAndStays() throws {
    var limits = SignallingLimits()
    limits.joinTimeout = .seconds(2)
    let server = try TestServer(limits: limits)
    let (back, gone) = (try open(server), try open(server))
    for client in [back, gone] {
      client.send(message: join)
      client.send(message: #"{"type":"leave"}"#)
      #expect(try client.message()["type"] as? String == "joined")
    }
    gone.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    #expect((try gone.message()["message"] as? String) == #"the first message must be "join""#)
    back.send(message: join)
    #expect(try back.message()["type"] as? String == "joined")
    let close = try gone.closeFrame()
    #expect(close.code == 1008 && close.reason.hasPrefix("no join"))
    back.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    #expect(try back.message()["message"] as? String == "echo")
  }

  @Test func closesSlowReadersAlone() throws {
    var limits = SignallingLimits()
    limits.unsentBytes = 256 << 10
    let server = try TestServer(limits: limits)
    let other = try open(server)
    let slow = try open(server)
    slow.send(message: join)
    // Each makes the server send 4 MiB, of which nothing is read.
    for _ in 0..<4 { slow.send(message: #"{"type":"mute","track":"t","muted":true}"#) }
    #expect(
      try server.eventually { calls in
        calls.inputs.contains { if case .disconnected = $0 { true } else { false } }
      })
    other.send(message: join)
    #expect(try other.message()["type"] as? String == "joined")
  }

  @Test func wantsTokens() throws {
    let tokens = SessionTokens(secret: "0123456789abcdef0123456789abcdef")
    let server = try TestServer(tokens: tokens)
    let client = try open(server)
    client.send(message: join)
    #expect(code(try client.message()) == "unauthorized")
    client.send(message: #"{"type":"join","room":"r","name":"n","token":"a.b.c"}"#)
    #expect((try client.message()["message"] as? String)?.contains("malformed") == true)
    let token = try tokens.make(Grants(room: "r", canPublish: false), issuedAt: Date(), lifetime: 60)
    client.send(message: #"{"type":"join","room":"r","name":"n","token":"\#(token)"}"#)
    #expect(try client.message()["type"] as? String == "joined")
    // A second join cannot bring other grants.
    let better = try tokens.make(Grants(canPublish: true), issuedAt: Date(), lifetime: 60)
    client.send(message: #"{"type":"join","room":"r","name":"n","token":"\#(better)"}"#)
    client.send(message: #"{"type":"answer","sdp":"v=0"}"#)
    _ = try client.message()
    _ = try client.message()
    let grants = try server.withCalls { calls in
      calls.inputs.compactMap { if case .message(_, _, let grants) = $0 { grants } else { nil } }
    }
    #expect(grants == [Grants(room: "r", canPublish: false), Grants(), Grants(room: "r", canPublish: false)])
  }

  @Test func refusesOtherPathsAndPlainRequests() throws {
    let server = try TestServer()
    #expect(try TestClient(port: server.port).openWebSocket("/elsewhere") == 404)
    let plain = try TestClient(port: server.port).request("GET", "/ws")
    #expect(plain.status == 426 && plain.headers["upgrade"] == "websocket")
    #expect(plain.headers["sec-websocket-version"] == "13")
    #expect(try TestClient(port: server.port).request("POST", "/ws").status == 405)
  }

  @Test(arguments: [
    ("POST", "13", "dGhlIHNhbXBsZSBub25jZQ==", 405), ("GET", "8", "dGhlIHNhbXBsZSBub25jZQ==", 426),
    ("GET", "13", "c2hvcnQ=", 400), ("GET", "13", "not base64", 400), ("GET", "13", "dGhlIHNhbXBsZSBub25jZQ==", 101),
  ])
  func wantsTheHandshakeOfTheRFC(method: String, version: String, key: String, status: Int) throws {
    let server = try TestServer()
    let headers = [
      "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": version, "Sec-WebSocket-Key": key,
    ]
    #expect(try TestClient(port: server.port).request(method, "/ws", headers: headers).status == status)
  }

  @Test func saysGoodbye() throws {
    let server = try TestServer()
    let client = try open(server)
    let idle = try TestClient(port: server.port)
    #expect(try idle.request("GET", "/healthz").status == 200)
    try server.stop()
    let close = try client.closeFrame()
    #expect(close.code == 1001 && close.reason == "server stops")
    #expect(try idle.isAtEnd())
  }
}
