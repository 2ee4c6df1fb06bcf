import NIOCore
import NIOHTTP1
import Wire

/// A complete request. `path` has its percent-encoding still on; `segments` are decoded, one by one.
struct HTTPRequest {
  var method: HTTPMethod
  var path: String
  var query: [String: String]
  var headers: HTTPHeaders
  var body: [UInt8]
  /// The client's address, for the log.
  var client = "unknown"

  init(method: HTTPMethod, target: String, headers: HTTPHeaders = [:], body: [UInt8] = []) {
    let parts = Self.originForm(target).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    self.method = method
    path = parts.first.map(String.init) ?? "/"
    query = parts.count > 1 ? Self.query(parts[1]) : [:]
    self.headers = headers
    self.body = body
  }

  /// Path and query of the target. It may be a whole URL (RFC 9112 section 3.2.2), of which scheme and authority change
  /// nothing here.
  private static func originForm(_ target: String) -> String {
    let start = target.prefix(8).lowercased()
    guard let scheme = ["http://", "https://"].first(where: { start.hasPrefix($0) }) else { return target }
    let rest = target.dropFirst(scheme.count)
    let resource = rest[(rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex)...]
    return resource.hasPrefix("/") ? String(resource) : "/\(resource)"
  }

  /// The path's segments, percent-decoded; nil if that fails or one holds a slash or NUL.
  var segments: [String]? {
    guard path.hasPrefix("/") else { return nil }
    var decoded: [String] = []
    for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      guard let text = Self.percentDecoded(segment), !text.utf8.contains(UInt8(ascii: "/")), !text.utf8.contains(0)
      else {
        return nil
      }
      decoded.append(text)
    }
    return decoded
  }

  /// The media type of the body, lower case and without parameters.
  var contentType: String? {
    headers.first(name: "content-type").map { value in
      trimmed(Substring(value.utf8.prefix { $0 != UInt8(ascii: ";") })).lowercased()
    }
  }

  /// The token of `Authorization: Bearer` (RFC 6750).
  var bearerToken: String? {
    guard let value = headers.first(name: "authorization") else { return nil }
    let scheme = value.utf8.prefix { $0 != 0x20 }
    guard Substring(scheme).lowercased() == "bearer", scheme.endIndex != value.endIndex else { return nil }
    return trimmed(value[scheme.endIndex...])
  }

  /// The list of `If-Match` (RFC 9110 section 13.1.1) with the quotes taken off strong tags; "*" and weak tags stay as they
  /// are.
  var ifMatch: [String] {
    headers[canonicalForm: "if-match"].map { tag in
      guard tag.count >= 2, tag.hasPrefix("\""), tag.hasSuffix("\"") else { return String(tag) }
      return String(tag.dropFirst().dropLast())
    }
  }

  private static func query(_ text: Substring) -> [String: String] {
    var query: [String: String] = [:]
    for pair in text.split(separator: "&").prefix(32) {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = parts.first.flatMap({ percentDecoded($0) }) else { continue }
      query[name] = parts.count > 1 ? percentDecoded(parts[1]) ?? "" : ""
    }
    return query
  }

  /// RFC 3986 section 2.1; nil for a bad escape or what is not UTF-8 then.
  static func percentDecoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8.makeIterator()
    while let byte = rest.next() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
      bytes.append(high << 4 | low)
    }
    return String(validating: bytes, as: UTF8.self).flatMap { $0.isStreamSafe ? $0 : nil }
  }

  /// The segment with everything but RFC 3986's unreserved characters escaped.
  static func percentEncoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
      let isUnreserved =
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-._~".utf8.contains(byte)
      if isUnreserved {
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
      }
    }
    return encoded
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
  }
}

extension HTTPRequestHead {
  /// As HTTP/1.1 wants it (RFC 9112 section 3.2).
  var namesOneHost: Bool { version != .http1_1 || headers["host"].count == 1 }

  /// Whether a body follows (RFC 9112 section 6.3).
  var hasBody: Bool {
    headers.contains(name: "transfer-encoding") || headers["content-length"].contains { $0 != "0" }
  }
}

/// Without the spaces and tabs at either end.
func trimmed(_ text: some StringProtocol) -> String {
  let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
  var bytes = Substring(text).utf8
  while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
  while let last = bytes.last, isBlank(last) { bytes.removeLast() }
  return String(Substring(bytes))
}
