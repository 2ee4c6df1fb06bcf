import Foundation
import NIOCore
import Signalling
import Testing

@Suite struct HTTPLimitTests {
  @Test func refusesLargeBodiesAndSaysSo() throws {
    var limits = SignallingLimits()
    limits.bodyBytes = 1000
    let server = try TestServer(limits: limits)
    let body = String(repeating: "x", count: 1001)
    let announced = try TestClient(port: server.port)
      .request("POST", "/whip/r/n", headers: ["Content-Type": "application/sdp"], body: body)
    #expect(announced.status == 413 && announced.body.contains("1000 bytes (max-body-bytes)"))
    let chunked = try TestClient(port: server.port)
    chunked.send("POST /whip/r/n HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n\(body)\r\n")
    #expect(try chunked.response().status == 413)
    #expect(try server.withCalls { $0.inputs.isEmpty })
  }

  @Test func closesSlowAndIdleConnections() throws {
    var limits = SignallingLimits()
    limits.requestTimeout = .seconds(1)
    limits.idleTimeout = .seconds(1)
    let server = try TestServer(limits: limits)
    let silent = try TestClient(port: server.port)
    #expect(try silent.isAtEnd())
    let slow = try TestClient(port: server.port)
    slow.send("POST /whip/r/n HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab")
    #expect(try slow.response().status == 408)
    let idle = try TestClient(port: server.port)
    #expect(try idle.request("GET", "/healthz").status == 200)
    #expect(try idle.isAtEnd())
  }

  @Test func refusesConnectionsBeyondTheLimit() throws {
    var limits = SignallingLimits()
    limits.connections = 2
    let server = try TestServer(limits: limits)
    let first = try TestClient(port: server.port)
    #expect(try first.request("GET", "/healthz").status == 200)
    let second = try TestClient(port: server.port)
    #expect(try second.request("GET", "/healthz").status == 200)
    let third = try TestClient(port: server.port).request("GET", "/healthz")
    #expect(third.status == 503 && third.body.contains("2 connections (max-connections)"))
    #expect(try first.request("GET", "/healthz").status == 200)
  }

  @Test func survivesWhatIsNoHTTP() throws {
    let server = try TestServer()
    let garbage = try TestClient(port: server.port)
    garbage.send("\u{16}\u{3}\u{1}nonsense\r\n\r\n")
    #expect(try garbage.response().status == 501)
    let unknown = try TestClient(port: server.port)
    unknown.send("FOO / HTTP/1.1\r\nHost: t\r\n\r\n")
    let response = try unknown.response()
    #expect(response.status == 501 && response.body.contains("a method that this server knows"))
    let chunk = try TestClient(port: server.port)
    chunk.send("POST /whip/r/n HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
    #expect(try chunk.response().status == 400)
    #expect(try chunk.isAtEnd())
    let long = try TestClient(port: server.port)
    long.send("GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n")
    #expect(try long.response().status == 400)
    #expect(try TestClient(port: server.port).request("GET", "/healthz").status == 200)
  }

  /// RFC 9112 section 3.2.
  @Test(arguments: [
    ("HTTP/1.1\r\n", 400), ("HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400), ("HTTP/1.0\r\n", 200),
    ("HTTP/1.1\r\nHost:\r\n", 200),
  ])
  func wantsOneHost(rest: String, status: Int) throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    client.send("GET /healthz \(rest)\r\n")
    #expect(try client.response().status == status)
  }

  /// RFC 9112 section 3.2.
  @Test(arguments: [
    ("GET", "http://x/healthz", 200), ("GET", "HTTPS://x:8443/healthz?a=b", 200), ("GET", "http://x", 404),
    ("GET", "http://x?a=/healthz", 404), ("POST", "http://x/whip/r/n", 415), ("OPTIONS", "*", 204), ("GET", "*", 405),
    ("GET", "ftp://x/healthz", 400), ("GET", "http://x/%2f", 400),
  ])
  func takesEveryFormOfTarget(method: String, target: String, status: Int) throws {
    let server = try TestServer()
    #expect(try TestClient(port: server.port).request(method, target).status == status)
  }

  @Test func saysWhatTheServerTakes() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    #expect(try client.request("OPTIONS", "*").headers["allow"] == "GET, HEAD, POST, PATCH, DELETE, OPTIONS")
    #expect(try client.request("GET", "ftp://x/healthz").body.contains("must be a path or a URL of HTTP"))
    #expect(try TestClient(port: server.port).openWebSocket("http://x/ws") == 101)
  }

  @Test func takesPipelinedRequestsInOrder() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    client.send("GET /healthz HTTP/1.1\r\nHost: t\r\n\r\nGET /readyz HTTP/1.1\r\nHost: t\r\n\r\n")
    #expect(try client.response().body == "ok\n")
    #expect(try client.response().body == "ready\n")
  }

  @Test func limitsTheRateOfBodies() throws {
    var limits = SignallingLimits()
    limits.messagesPerSecond = 1
    limits.messageBurst = 2
    let server = try TestServer(limits: limits)
    let client = try TestClient(port: server.port)
    let headers = ["Content-Type": "application/sdp"]
    let offer = "v=0" + String(repeating: "x", count: 20_000)
    #expect(try client.request("POST", "/whip/r/n", headers: headers, body: offer).status == 201)
    let refused = try client.request("POST", "/whip/r/n", headers: headers, body: "v=0")
    #expect(refused.status == 429 && refused.headers["retry-after"] == "5" && refused.body.contains("rate-limited"))
    #expect(try client.request("GET", "/healthz").status == 200)
  }

  @Test func limitsTheRateOfRequests() throws {
    var limits = SignallingLimits()
    limits.requestsPerSecond = 1
    limits.requestBurst = 2
    let server = try TestServer(limits: limits)
    let client = try TestClient(port: server.port)
    for _ in 0..<2 { #expect(try client.request("GET", "/healthz").status == 200) }
    let refused = try client.request("GET", "/healthz")
    #expect(refused.status == 429 && refused.headers["retry-after"] == "5")
    #expect(refused.body.contains("1 requests per second, after a burst of 2"))
    // Who does not wait is made to: by then there is a token again.
    #expect(try client.request("GET", "/healthz").status == 200)
  }

  /// A page's files, and a monitor that asks all the time.
  @Test func admitsWhatBrowsersAndMonitorsAsk() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    client.send(String(repeating: "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n", count: 100))
    for _ in 0..<100 { #expect(try client.response().status == 200) }
  }

  /// A report looks at every stream; these two are for everybody.
  @Test func asksForNoReportPerRequest() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    for target in ["/readyz", "/metrics"] {
      client.send(String(repeating: "GET \(target) HTTP/1.1\r\nHost: t\r\n\r\n", count: 100))
      for _ in 0..<100 { _ = try client.response() }
    }
    // One, unless this machine takes its time.
    #expect(try server.withCalls { $0.reports } < 10)
  }

  @Test func takesOnePipelinedRequestPerTurn() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    client.send(String(repeating: "DELETE /whip/r/n/r1 HTTP/1.1\r\nHost: t\r\n\r\n", count: 100))
    for _ in 0..<100 { #expect(try client.response().status == 200) }
    #expect(try server.withCalls { $0.mostInputsPerTurn } < 5)
  }

  @Test func closesWhoReadsNoResponses() throws {
    var limits = SignallingLimits()
    limits.idleTimeout = .milliseconds(500)
    limits.messageBurst = 1_000_000
    limits.requestBurst = 1_000_000
    let server = try TestServer(limits: limits)
    let client = try TestClient(port: server.port)
    let count = 200_000  // 18 MB, more than the sockets hold
    let request = "POST /whip/r/n HTTP/1.1\r\nHost: t\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"
    client.send(String(repeating: request, count: count))
    #expect(try server.withCalls { (1..<count).contains($0.inputs.count) })
  }

  @Test func continuesWhenAsked() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    client.send(
      "POST /whip/r/n HTTP/1.1\r\nHost: t\r\nContent-Type: application/sdp\r\n"
        + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    )
    #expect(try client.response().status == 100)
    client.send("v=0")
    #expect(try client.response().status == 201)
  }

  @Test func whoConnectsBeforeTheStartWaitsForIt() throws {
    let server = try TestServer(isStarted: false)
    let client = try TestClient(port: server.port)
    client.send("GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n")
    #expect(!client.hears(milliseconds: 200))
    try server.start()
    #expect(try client.response().status == 200)
  }

  @Test func isNotReadyWhileDraining() throws {
    let server = try TestServer()
    try server.withCalls { $0.current.draining = true }
    let client = try TestClient(port: server.port)
    let unready = try client.request("GET", "/readyz")
    #expect(unready.status == 503 && unready.headers["retry-after"] == "5")
    #expect(try client.request("GET", "/healthz").status == 200)
  }

  /// Reading text as Unicode costs more than its length.
  @Test(arguments: ["Authorization: Bearer ", "Content-Type: ", "Origin: ", "Upgrade: "])
  func fieldsThatAreNotASCIIAreNotRead(field: String) throws {
    let server = try TestServer(tokens: SessionTokens(secret: "0123456789abcdef0123456789abcdef"), workOfATurn: nil)
    let client = try TestClient(port: server.port)
    for text in ["\u{1f1e6}", "\u{301}\u{323}"] {
      let value = String(repeating: text, count: 14_000 / text.utf8.count)
      client.send("POST /whip/r/n HTTP/1.1\r\nHost: t\r\n\(field)\(value)\r\nContent-Length: 1\r\n\r\nx")
      #expect(try client.response().status == 401)
    }
    let marks = String(repeating: "%CC%81%CC%A3", count: 1000)
    for (path, status) in [("/\u{1f1e6}", 400), ("/whip/r/\(marks)", 400), ("/healthz?\(marks)=1", 200)] {
      let client = try TestClient(port: server.port)
      client.send("GET \(path) HTTP/1.1\r\nHost: t\r\n\r\n")
      #expect(try client.response().status == status, "\(path.prefix(20))")
    }
  }
}
