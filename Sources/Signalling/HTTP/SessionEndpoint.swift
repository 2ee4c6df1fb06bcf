import Foundation
import Logging
import NIOHTTP1
import SFU

/// HTTP's side of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): headers in, headers out. The SFU does the rest.
struct SessionEndpoint {
  static let sdp = "application/sdp"
  static let fragment = "application/trickle-ice-sdpfrag"
  /// What clients of WHIP and WHEP send beyond what CORS always lets through.
  private static let clientHeaders = "Authorization, Content-Type, If-Match, If-None-Match, ETag, Link, Accept, Prefer"

  let tokens: SessionTokens?
  /// What comes before the paths of our own in the URLs that clients use; empty: nothing.
  let publicURL: String
  let log: Logger

  enum Step {
    case reply(HTTPReply)
    case ask(ResourceRequest)
  }

  /// Looks at a request without its body, whose method the route allows: nil if that is worth reading.
  func refusal(of request: HTTPRequest, _ route: Route, now: Date) -> HTTPReply? {
    do throws(Refusal) {
      _ = try authorize(request, route, now: now)
      return nil
    } catch {
      return error.reply
    }
  }

  /// What to do about a request whose method the route allows.
  func receive(_ request: HTTPRequest, _ route: Route, now: Date) -> Step {
    if request.method == .OPTIONS { return .reply(options(route)) }
    do throws(Refusal) {
      let grants = try authorize(request, route, now: now)
      switch route {
      case .endpoint(let role, let room, let participant):
        let offer = try text(request, type: Self.sdp, header: "accept-post", what: "an SDP offer")
        return .ask(
          .create(
            role, room: room, participant: participant, offer: offer, grants: grants, client: request.client))
      case .resource(let role, let room, let participant, let resource) where request.method == .DELETE:
        return .ask(.delete(role, room: room, participant: participant, resource: resource))
      case .resource(let role, let room, let participant, let resource):
        let fragment = try text(request, type: Self.fragment, header: "accept-patch", what: "an SDP fragment")
        let tags = request.ifMatch
        guard !tags.isEmpty else {
          throw Refusal(
            .preconditionRequired, "precondition-required", "PATCH needs If-Match with the session's entity tag, or *")
        }
        return .ask(
          .patch(role, room: room, participant: participant, resource: resource, fragment: fragment, ifMatch: tags))
      default: return .reply(.problem(.notFound, .notFound, "there is nothing here"))
      }
    } catch {
      return .reply(error.reply)
    }
  }

  /// The HTTP response for what the SFU said of the request to `route`.
  func reply(_ response: ResourceResponse, _ route: Route) -> HTTPReply {
    switch response {
    case .created(let resource, let answer, let entityTag, let iceServers, let warnings):
      var headers: HTTPHeaders = [
        "content-type": Self.sdp, "location": location(route, resource), "etag": "\"\(entityTag)\"",
        "accept-patch": Self.fragment, "cache-control": "no-store",
      ]
      for link in iceServers.flatMap(Self.links) { headers.add(name: "link", value: link) }
      for warning in warnings { headers.add(name: "warning", value: "199 needletail \(Self.quoted(warning))") }
      return HTTPReply(.created, headers: headers, body: [UInt8](answer.utf8))
    case .accepted: return HTTPReply(.noContent)
    case .restarted(let fragment, let entityTag):
      return HTTPReply(
        .ok, headers: ["content-type": Self.fragment, "etag": "\"\(entityTag)\""], body: [UInt8](fragment.utf8))
    case .deleted: return HTTPReply(.ok)
    case .failed(let status, let code, let detail):
      return .problem(HTTPResponseStatus(statusCode: status), code, detail)
    }
  }

  private struct Refusal: Error {
    var status: HTTPResponseStatus
    var code: String
    var detail: String
    var headers: HTTPHeaders

    init(_ status: HTTPResponseStatus, _ code: String, _ detail: String, headers: HTTPHeaders = [:]) {
      self.status = status
      self.code = code
      self.detail = detail
      self.headers = headers
    }

    var reply: HTTPReply { .problem(status, code: code, detail, headers: headers) }
  }

  private func options(_ route: Route) -> HTTPReply {
    let methods = route.methods.map(\.rawValue).joined(separator: ", ")
    var headers: HTTPHeaders = [
      "allow": methods, "access-control-allow-methods": methods,
      "access-control-allow-headers": Self.clientHeaders, "access-control-max-age": "86400",
    ]
    if case .endpoint = route { headers.add(name: "accept-post", value: Self.sdp) }
    if case .resource = route { headers.add(name: "accept-patch", value: Self.fragment) }
    return HTTPReply(.noContent, headers: headers)
  }

  private func authorize(_ request: HTTPRequest, _ route: Route, now: Date) throws(Refusal) -> Grants {
    guard let tokens else { return .everything }
    let grants: Grants
    do throws(TokenError) {
      grants = try tokens.verify(request.bearerToken, now: now)
    } catch {
      log.info(
        "token refused",
        metadata: [
          "reason": "\(error.message)", "path": "\(Self.loggable(request, route))", "client": "\(request.client)",
        ])
      let challenge = error == .missing ? "Bearer" : "Bearer error=\"invalid_token\""
      throw Refusal(
        .unauthorized, ErrorCode.unauthorized.rawValue, error.message, headers: ["www-authenticate": challenge])
    }
    // Creation is judged by the SFU, which knows more; a later request must at least be for the token's own room.
    if case .resource(_, let room, _, _) = route, let allowed = grants.room, allowed != room {
      throw Refusal(.forbidden, ErrorCode.forbidden.rawValue, "the token does not open room \(room)")
    }
    return grants
  }

  /// Who knows the last segment of a session's URL can end the session.
  private static func loggable(_ request: HTTPRequest, _ route: Route) -> Substring {
    guard case .resource = route else { return request.path.prefix(200) }
    return request.path[..<(request.path.lastIndex(of: "/") ?? request.path.startIndex)].prefix(200)
  }

  /// The body, which must be of media type `type`. `header` names the type in the refusal.
  private func text(_ request: HTTPRequest, type: String, header: String, what: String) throws(Refusal) -> String {
    guard request.contentType == type else {
      let found = request.contentType.map { "not \($0.prefix(80))" } ?? "but Content-Type is missing"
      throw Refusal(
        .unsupportedMediaType, "unsupported-media-type", "the body must be \(what), \(type), \(found)",
        headers: [header: type])
    }
    guard let text = String(validating: request.body, as: UTF8.self), !text.isEmpty else {
      throw Refusal(.badRequest, ErrorCode.badSDP.rawValue, "the body must be \(what); it is empty or not UTF-8")
    }
    return text
  }

  /// A STUN or TURN server as a Link header field per URL (RFC 9725 section 4.6).
  static func links(_ server: ICEServer) -> [String] {
    var parameters = "; rel=\"ice-server\""
    if let username = server.username, let credential = server.credential {
      parameters += "; username=\(quoted(username)); credential=\(quoted(credential)); credential-type=\"password\""
    }
    return server.urls.map { "<\($0)>\(parameters)" }
  }

  /// A quoted-string of RFC 9110 section 5.6.4.
  private static func quoted(_ text: String) -> String {
    "\"" + text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
  }

  private func location(_ route: Route, _ resource: String) -> String {
    guard case .endpoint(let role, let room, let participant) = route else { return publicURL + "/" }
    let names = [role == .publish ? "whip" : "whep", room, participant, resource]
    return publicURL + "/" + names.map(HTTPRequest.percentEncoded).joined(separator: "/")
  }
}
