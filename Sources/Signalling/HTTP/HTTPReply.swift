import Foundation
import NIOHTTP1
import SFU

/// A complete response.
struct HTTPReply {
  var status: HTTPResponseStatus
  var headers: HTTPHeaders
  var body: [UInt8]
  /// The connection cannot go on, e.g. because the rest of a body was not read.
  var closesConnection = false

  init(_ status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  static func text(_ status: HTTPResponseStatus, _ text: String, type: String = "text/plain; charset=utf-8")
    -> HTTPReply
  {
    HTTPReply(status, headers: ["content-type": type, "cache-control": "no-store"], body: [UInt8](text.utf8))
  }

  static func json(_ value: some Encodable, status: HTTPResponseStatus = .ok) -> HTTPReply {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let body = try? encoder.encode(value) else {
      return problem(.internalServerError, code: "internal", "the response could not be written as JSON")
    }
    return HTTPReply(
      status, headers: ["content-type": "application/json", "cache-control": "no-store"], body: [UInt8](body))
  }

  /// An error as RFC 9457 says. One that passes says when to come back.
  static func problem(
    _ status: HTTPResponseStatus, code: String, _ detail: String, headers: HTTPHeaders = [:]
  ) -> HTTPReply {
    let problem = Problem(
      type: "urn:needletail:problem:\(code)", title: status.reasonPhrase, status: Int(status.code), detail: detail,
      code: code)
    var reply = json(problem, status: status)
    reply.headers.replaceOrAdd(name: "content-type", value: "application/problem+json")
    reply.headers.add(contentsOf: headers)
    if [.serviceUnavailable, .tooManyRequests].contains(status) { reply.headers.add(name: "retry-after", value: "5") }
    return reply
  }

  static func problem(
    _ status: HTTPResponseStatus, _ code: ErrorCode, _ detail: String, headers: HTTPHeaders = [:]
  ) -> HTTPReply {
    problem(status, code: code.rawValue, detail, headers: headers)
  }
}

/// Problem details (RFC 9457 section 3.1), and `code`, which scripts match on.
private struct Problem: Encodable {
  var type: String
  var title: String
  var status: Int
  var detail: String
  var code: String
}
