import Foundation
import SFU
import Signalling
import Testing

/// WHIP (RFC 9725) and WHEP over real sockets.
@Suite struct SessionEndpointTests {
  private let sdp = ["Content-Type": "application/sdp"]

  @Test(arguments: [("whip", PeerRole.publish), ("whep", .subscribe)])
  func createsSessions(path: String, role: PeerRole) throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    let response = try client.request("POST", "/\(path)/my%20room/Anna", headers: sdp, body: "v=0 offer")
    #expect(response.status == 201 && response.body == "v=0\r\n")
    #expect(response.headers["content-type"] == "application/sdp")
    #expect(response.headers["location"] == "/\(path)/my%20room/Anna/r1")
    #expect(response.headers["etag"] == "\"tag1\"")
    #expect(
      response.headers["link"] == """
        <stun:stun.example.org>; rel="ice-server", <turn:turn.example.org?transport=tcp>; rel="ice-server"; \
        username="ada"; credential="p\\"\\\\w"; credential-type="password"
        """)
    #expect(response.headers["warning"] == #"199 needletail "of \"x\" and \\ none""#)
    #expect(response.headers["access-control-allow-origin"] == "*")
    for header in ["Location", "ETag", "Link", "Warning"] {
      #expect(response.headers["access-control-expose-headers"]?.contains(header) == true)
    }
    let asked = try server.withCalls { calls in
      calls.inputs.compactMap { if case .request(_, let r) = $0 { r } else { nil } }
    }
    let address = "127.0.0.1:\(client.port)"
    #expect(
      asked == [
        .create(
          role, room: "my room", participant: "Anna", offer: "v=0 offer", grants: .everything, client: address)
      ])
  }

  @Test func aLocationMayBeginWhereClientsAre() throws {
    let server = try TestServer(publicURL: "https://example.org/calls")
    let client = try TestClient(port: server.port)
    let created = try client.request("POST", "/whip/r/n", headers: sdp, body: "v=0 offer")
    #expect(created.headers["location"] == "https://example.org/calls/whip/r/n/r1")
  }

  @Test func patchesAndDeletes() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    let fragment = ["Content-Type": "application/trickle-ice-sdpfrag"]
    let body = "a=ice-ufrag:x\r\n"
    #expect(try client.request("PATCH", "/whip/r/n/r1", headers: fragment, body: body).status == 428)
    let tagged = fragment.merging(["If-Match": "\"tag1\""]) { $1 }
    #expect(try client.request("PATCH", "/whip/r/n/r1", headers: tagged, body: body).status == 204)
    let listed = fragment.merging(["If-Match": "\"zzz\", \"tag1\""]) { $1 }
    #expect(try client.request("PATCH", "/whip/r/n/r1", headers: listed, body: body).status == 204)
    let stale = fragment.merging(["If-Match": "\"old\""]) { $1 }
    #expect(try client.request("PATCH", "/whip/r/n/r1", headers: stale, body: body).status == 412)
    let weak = fragment.merging(["If-Match": "W/\"tag1\""]) { $1 }
    #expect(try client.request("PATCH", "/whip/r/n/r1", headers: weak, body: body).status == 412)
    let restart = try client.request(
      "PATCH", "/whip/r/n/r1", headers: fragment.merging(["If-Match": "*"]) { $1 }, body: body)
    #expect(restart.status == 200 && restart.headers["etag"] == "\"tag2\"")
    #expect(restart.headers["content-type"] == "application/trickle-ice-sdpfrag")
    #expect(try client.request("PATCH", "/whip/r/n/r1", headers: sdp, body: body).status == 415)
    #expect(try client.request("DELETE", "/whip/r/n/r1").status == 200)
  }

  @Test func answersPreflight() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    let endpoint = try client.request("OPTIONS", "/whip/r/n", headers: ["Origin": "https://elsewhere.example"])
    #expect(endpoint.status == 204 && endpoint.headers["accept-post"] == "application/sdp")
    #expect(endpoint.headers["access-control-allow-methods"] == "POST, OPTIONS")
    #expect(endpoint.headers["access-control-allow-headers"]?.contains("Authorization") == true)
    for header in ["If-Match", "Content-Type", "Link"] {
      #expect(endpoint.headers["access-control-allow-headers"]?.contains(header) == true)
    }
    let resource = try client.request("OPTIONS", "/whip/r/n/r1")
    #expect(resource.headers["accept-patch"] == "application/trickle-ice-sdpfrag")
    #expect(resource.headers["access-control-allow-methods"] == "PATCH, DELETE, OPTIONS")
  }

  @Test func aSlashAtTheEndMeansNothing() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    let sdp = ["Content-Type": "application/sdp"]
    let created = try client.request("POST", "/whip/r/n/", headers: sdp, body: "v=0 offer")
    #expect(created.status == 201 && created.headers["location"] == "/whip/r/n/r1")
    #expect(try client.request("DELETE", "/whip/r/n/r1/").status == 200)
    #expect(try client.request("GET", "/healthz/").status == 200)
    #expect(try client.request("POST", "/whip/r/n//", headers: sdp, body: "v=0").status == 404)
  }

  /// A page of another origin reads the error only then.
  @Test func refusesAcrossOrigins() throws {
    var limits = SignallingLimits()
    limits.bodyBytes = 1000
    limits.connections = 2
    limits.requestTimeout = .seconds(2)
    let server = try TestServer(limits: limits)
    let client = try TestClient(port: server.port)
    let names = try client.request("POST", "/whip/%20/n", headers: sdp, body: "v=0")
    let path = try client.request("POST", "/whep/a%2fb/n", headers: sdp, body: "v=0")
    let slow = try TestClient(port: server.port)
    slow.send("POST /whip/r/n HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab")
    let refused = try TestClient(port: server.port).request("POST", "/whip/r/n", headers: sdp, body: "v=0")
    let large = try client.request("POST", "/whip/r/n", headers: sdp, body: String(repeating: "x", count: 1001))
    let late = try slow.response()
    for (response, status) in [(names, 400), (path, 400), (large, 413), (refused, 503), (late, 408)] {
      #expect(response.status == status && response.headers["access-control-allow-origin"] == "*")
      #expect(response.headers["access-control-expose-headers"]?.contains("Retry-After") == true)
    }
  }

  @Test func refusesWhatIsNoOffer() throws {
    let server = try TestServer()
    let client = try TestClient(port: server.port)
    let wrong = try client.request("POST", "/whip/r/n", headers: ["Content-Type": "application/json"], body: "{}")
    #expect(wrong.status == 415 && wrong.headers["accept-post"] == "application/sdp")
    #expect(try client.request("POST", "/whip/r/n", body: "v=0").status == 415)
    #expect(try client.request("POST", "/whip/r/n", headers: sdp).status == 400)
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
      let response = try client.request(method, "/whip/r/n")
      #expect(response.status == 405 && response.headers["allow"] == "POST, OPTIONS")
    }
    #expect(try client.request("POST", "/whip/r/n/r1", headers: sdp, body: "v=0").status == 405)
    #expect(try client.request("POST", "/whip/r", headers: sdp, body: "v=0").status == 404)
    let slash = try client.request("POST", "/whip/a%2fb/n", headers: sdp, body: "v=0")
    #expect(slash.status == 400 && slash.body.contains("a slash (%2F)"))
    #expect(try client.request("POST", "/whip/%20/n", headers: sdp, body: "v=0").status == 400)
    #expect(try server.withCalls { $0.inputs.isEmpty })
  }

  @Test func writesProblems() throws {
    let server = try TestServer()
    let response = try TestClient(port: server.port).request("POST", "/whep/r/nobody", headers: sdp, body: "v=0")
    #expect(response.status == 404 && response.headers["content-type"] == "application/problem+json")
    let problem = try JSONSerialization.jsonObject(with: Data(response.body.utf8)) as? NSDictionary
    #expect(
      problem == [
        "type": "urn:needletail:problem:not-found", "title": "Not Found", "status": 404, "code": "not-found",
        "detail": "nobody publishes nothing",
      ])
  }

  @Test func wantsTokens() throws {
    let tokens = SessionTokens(secret: "0123456789abcdef0123456789abcdef")
    let server = try TestServer(tokens: tokens)
    let client = try TestClient(port: server.port)
    let none = try client.request("POST", "/whip/r/n", headers: sdp, body: "v=0")
    #expect(none.status == 401 && none.headers["www-authenticate"] == "Bearer")
    let token = try tokens.make(Grants(room: "r", identity: "n", canSubscribe: false), issuedAt: Date(), lifetime: 60)
    let bearer = sdp.merging(["Authorization": "bearer \(token)"]) { $1 }
    #expect(try client.request("POST", "/whip/r/n", headers: bearer, body: "v=0").status == 201)
    #expect(try client.request("DELETE", "/whip/other/n/r1", headers: bearer).status == 403)
    #expect(try client.request("DELETE", "/whip/r/n/r1").status == 401)
    let old = try tokens.make(.everything, issuedAt: Date(timeIntervalSinceNow: -100), lifetime: 60)
    let expired = try client.request(
      "POST", "/whip/r/n", headers: sdp.merging(["Authorization": "Bearer \(old)"]) { $1 }, body: "v=0")
    #expect(expired.status == 401 && expired.body.contains("expired") && !expired.body.contains(old))
    let granted = try server.withCalls { calls in
      calls.inputs.compactMap { input -> Grants? in
        if case .request(_, .create(_, _, _, _, let grants, _)) = input { grants } else { nil }
      }
    }
    #expect(granted == [Grants(room: "r", identity: "n", canSubscribe: false)])
  }
}
