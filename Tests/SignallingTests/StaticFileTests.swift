import Foundation
import Signalling
import Testing

/// A web folder with a secret beside it, and links that would lead out. Goes with its owner.
private final class TestFolder {
  let base = NSTemporaryDirectory() + "needletail-web-\(UUID().uuidString)"
  var web: String { base + "/web" }

  init() throws {
    try FileManager.default.createDirectory(atPath: web + "/js", withIntermediateDirectories: true)
    try "<h1>hello</h1>".write(toFile: web + "/index.html", atomically: true, encoding: .utf8)
    try "export {}".write(toFile: web + "/js/client.js", atomically: true, encoding: .utf8)
    try "hidden".write(toFile: web + "/.env", atomically: true, encoding: .utf8)
    try "secret\n".write(toFile: base + "/secret.txt", atomically: true, encoding: .utf8)
    try FileManager.default.createSymbolicLink(atPath: web + "/link.txt", withDestinationPath: base + "/secret.txt")
  }

  deinit { try? FileManager.default.removeItem(atPath: base) }
}

@Suite struct StaticFileTests {
  @Test func servesFilesWithTypesAndTags() throws {
    let folder = try TestFolder()
    let server = try TestServer(web: folder.web)
    let client = try TestClient(port: server.port)
    let index = try client.request("GET", "/")
    #expect(index.status == 200 && index.body == "<h1>hello</h1>")
    #expect(index.headers["content-type"] == "text/html; charset=utf-8")
    #expect(index.headers["x-content-type-options"] == "nosniff")
    #expect(index.headers["content-security-policy"]?.contains("frame-ancestors 'none'") == true)
    let script = try client.request("GET", "/js/client.js?v=1")
    #expect(script.headers["content-type"] == "text/javascript; charset=utf-8")
    #expect(script.headers["access-control-allow-origin"] == "*")
    let tag = try #require(script.headers["etag"])
    #expect(try client.request("GET", "/js/client.js", headers: ["If-None-Match": tag]).status == 304)
    let head = try client.request("HEAD", "/")
    #expect(head.status == 200 && head.headers["content-length"] == "14")
    withExtendedLifetime(folder) {}
  }

  @Test(arguments: [
    "/../secret.txt", "/js/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/.env",
    "/js",
    "/link.txt", "//etc/passwd", "/index.html%00.txt", "/js//client.js", "/nothing", "/..%5csecret.txt", "/js/",
  ])
  func servesNothingElse(path: String) throws {
    let folder = try TestFolder()
    let server = try TestServer(web: folder.web)
    let response = try TestClient(port: server.port).request("GET", path)
    #expect(response.status == 404 || response.status == 400)
    #expect(response.headers["content-type"] == "application/problem+json")
    #expect(!response.body.contains("secret\n") && !response.body.contains("hidden"))
    withExtendedLifetime(folder) {}
  }

  @Test func saysWhichMethodsThereAre() throws {
    let folder = try TestFolder()
    let server = try TestServer(web: folder.web)
    let response = try TestClient(port: server.port).request("DELETE", "/index.html")
    #expect(response.status == 405 && response.headers["allow"] == "GET, HEAD")
    #expect(response.body.contains(#""code":"method-not-allowed""#))
    withExtendedLifetime(folder) {}
  }
}
