import NIOCore
import NIOHTTP1

@testable import Requests

/// A request's target, then values of the headers that are read, a line each. What was decoded encodes to what decodes to it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let text = String(decoding: UnsafeBufferPointer(start: data, count: size), as: UTF8.self)
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  var headers = HTTPHeaders()
  for (name, value) in zip(["content-type", "authorization", "if-match"], lines.dropFirst()) {
    headers.add(name: name, value: value)
  }
  let request = HTTPRequest(method: .POST, target: lines.first ?? "", headers: headers)
  for segment in request.segments ?? [] {
    precondition(!segment.contains("/") && !segment.contains("\0"))
    precondition(HTTPRequest.percentDecoded(HTTPRequest.percentEncoded(segment)) == segment)
  }
  precondition(request.query.count <= 32)
  _ = (request.contentType, request.bearerToken, request.ifMatch)
  return 0
}
