import Foundation
import NIOHTTP1

/// The demo client's files. Nothing outside the folder is ever served: not by dots, not by links, no hidden file.
struct StaticFiles {
  /// Absolute, without links.
  let folder: String
  static let maximumBytes = 16 << 20
  /// The page has no script or style but its files, and nobody else's page frames it, with its camera open. Not every
  /// browser takes the WebSocket as 'self'.
  private static let contentPolicy =
    "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  /// nil if there is no such folder.
  init?(folder: String) {
    guard let real = Self.realPath(folder) else { return nil }
    self.folder = real
  }

  func reply(to request: HTTPRequest, segments: [String]) -> HTTPReply {
    guard let path = locate(segments) else { return notFound(request.path) }
    guard let file = read(path) else { return notFound(request.path) }
    let headers: HTTPHeaders = [
      "content-type": Self.contentType(path), "etag": file.entityTag,
      // Revalidated each time: a new build shows at once, and an unchanged file costs a 304.
      "cache-control": "no-cache", "referrer-policy": "no-referrer", "content-security-policy": Self.contentPolicy,
    ]
    if request.headers[canonicalForm: "if-none-match"].contains(where: { $0 == file.entityTag || $0 == "*" }) {
      return HTTPReply(.notModified, headers: headers)
    }
    return HTTPReply(.ok, headers: headers, body: file.bytes)
  }

  private func notFound(_ path: String) -> HTTPReply {
    .problem(.notFound, .notFound, "there is nothing at \(path.prefix(200))")
  }

  /// The file that `segments` name, if it lies within the folder.
  private func locate(_ segments: [String]) -> String? {
    var segments = segments
    if segments.last == "" { segments[segments.count - 1] = "index.html" }
    guard !segments.contains(where: { $0.isEmpty || $0.hasPrefix(".") || $0.contains("\\") }) else { return nil }
    guard let real = Self.realPath(([folder] + segments).joined(separator: "/")) else { return nil }
    return real.hasPrefix(folder + "/") ? real : nil
  }

  private func read(_ path: String) -> (bytes: [UInt8], entityTag: String)? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.maximumBytes else {
      return nil
    }
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    let changed = UInt64(bitPattern: Int64(status.st_mtim.tv_sec)) &* 1_000_000_000 &+ UInt64(status.st_mtim.tv_nsec)
    return ([UInt8](data), "\"\(String(changed, radix: 36))-\(String(data.count, radix: 36))\"")
  }

  private static func realPath(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }

  static func contentType(_ path: String) -> String {
    switch path.split(separator: ".").last.map(String.init) {
    case "html": "text/html; charset=utf-8"
    case "js", "mjs": "text/javascript; charset=utf-8"
    case "css": "text/css; charset=utf-8"
    case "json", "map": "application/json"
    case "svg": "image/svg+xml"
    case "png": "image/png"
    case "jpg", "jpeg": "image/jpeg"
    case "webp": "image/webp"
    case "ico": "image/x-icon"
    case "wasm": "application/wasm"
    case "woff2": "font/woff2"
    case "webmanifest": "application/manifest+json"
    case "txt", "md": "text/plain; charset=utf-8"
    default: "application/octet-stream"
    }
  }
}
