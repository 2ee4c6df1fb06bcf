import Foundation
import NIOCore
import NIOHTTP1
import SFU

/// What `/status` says of the server itself.
public struct AdminServerInfo: Sendable {
  public var version: String
  public var startedAt: Date
  /// The URL of the public server, e.g. "https://127.0.0.1:8443/".
  public var url: String
  public var mediaPort: Int
  /// "tokens" or "none".
  public var authentication: String

  public init(version: String, startedAt: Date, url: String, mediaPort: Int, authentication: String) {
    self.version = version
    self.startedAt = startedAt
    self.url = url
    self.mediaPort = mediaPort
    self.authentication = authentication
  }
}

/// The admin API's resources (docs/operations.md): one request in, one response out.
struct AdminAPI {
  private weak var control: (any CallControl)?
  private let server: AdminServerInfo
  private let tokens: SessionTokens?
  private let reports = RecentReport()

  /// What a request leads to.
  enum Answer {
    case reply(HTTPReply)
    /// Written of values, on whichever thread.
    case written(@Sendable () -> HTTPReply)
  }

  init(control: any CallControl, server: AdminServerInfo, tokens: SessionTokens?) {
    self.control = control
    self.server = server
    self.tokens = tokens
  }

  private static let getters = ["/status", "/rooms", "/participants", "/streams", "/fastpath"]
  private static let setters = ["/kick", "/mute", "/close", "/drain", "/token"]
  private static let several = [
    "/rtp": "GET, POST, DELETE", "/rtp/sdp": "GET", "/trace": "POST", "/capture": "POST", "/capture/ID": "GET, DELETE",
  ]

  func answer(to request: HTTPRequest, now: Date) -> Answer {
    guard let control else { return .reply(.problem(.serviceUnavailable, .draining, "the server stops")) }
    guard request.method == .GET, let view = view(control, request) else {
      reports.forget()
      return .reply(response(to: request, by: control, now: now))
    }
    let report = reports.report(of: control, now: .now())
    return .written {
      do throws(Refusal) { return try view(report) } catch {
        return .problem(error.status, code: error.code, error.detail)
      }
    }
  }

  private typealias View = @Sendable (Report) throws(Refusal) -> HTTPReply

  /// What shows a report, if that is what the request is for.
  private func view(_ control: any CallControl, _ request: HTTPRequest) -> View? {
    let name = request.query["room"]
    switch request.path {
    case "/rooms": return { report throws(Refusal) in .json(AdminRooms(report)) }
    case "/participants":
      return { report throws(Refusal) in
        .json(AdminParticipants(try Self.rooms(report, named: name, isRequired: true)))
      }
    case "/streams":
      return { report throws(Refusal) in .json(AdminStreams(try Self.rooms(report, named: name, isRequired: false))) }
    case "/rtp":
      return { report throws(Refusal) in
        .json(AdminRTPParticipants(try Self.rooms(report, named: name, isRequired: false)))
      }
    case "/fastpath":
      let statistics = control.fastPathStatistics()
      return { report throws(Refusal) in .json(AdminFastPath(statistics, report.rooms)) }
    default: return nil
    }
  }

  private func response(to request: HTTPRequest, by control: any CallControl, now: Date) -> HTTPReply {
    do throws(Refusal) {
      switch (request.method, request.path) {
      case (.GET, "/status"): return .json(status(control, now))
      case (.POST, "/trace"): return try trace(control, request, now)
      case (.POST, "/token"): return try token(request, now)
      case (.POST, "/rtp"): return try addRTP(control, request)
      case (.DELETE, "/rtp"): return try outcome(of: try removal(request), by: control)
      case (.GET, "/rtp/sdp"): return try outcome(of: try description(request), by: control)
      case (_, let path) where path == "/capture" || path.hasPrefix("/capture/"):
        return try capture(request, now, by: control)
      case (.POST, _) where Self.setters.contains(request.path): return try act(control, request)
      default: return wrong(request)
      }
    } catch {
      return .problem(error.status, code: error.code, error.detail)
    }
  }

  struct Refusal: Error {
    var status: HTTPResponseStatus
    var code: String
    var detail: String

    init(status: HTTPResponseStatus, code: String, detail: String) {
      self.status = status
      self.code = code
      self.detail = detail
    }

    /// The key as JSON has it.
    init(_ error: RTPParticipantError) {
      let field = "\(error.codec.map { "codecs[\($0)]." } ?? "")\(error.key.json)"
      detail = "field \"\(field)\": \(error.problem)"
      switch error.reason {
      case .invalid: (status, code) = (.badRequest, ErrorCode.badMessage.rawValue)
      case .conflict: (status, code) = (.conflict, "already-exists")
      case .refused: (status, code) = (.unprocessableEntity, ErrorCode.forbidden.rawValue)
      }
    }
  }

  private func status(_ control: any CallControl, _ now: Date) -> AdminStatus {
    AdminStatus(server: server, totals: control.totals(), media: control.fastPathStatistics().media, now: now)
  }

  func wrong(_ request: HTTPRequest) -> HTTPReply {
    let single = Self.getters.contains(request.path) ? "GET" : Self.setters.contains(request.path) ? "POST" : nil
    guard let allowed = single ?? Self.several[request.path] else {
      let paths = (Self.getters + Self.setters + Self.several.keys.sorted()).joined(separator: " ")
      return .problem(.notFound, .notFound, "there is nothing at \(request.path.prefix(100)); there is \(paths)")
    }
    return .problem(
      .methodNotAllowed, code: "method-not-allowed", "\(request.path) takes \(allowed)", headers: ["allow": allowed])
  }

  /// The rooms that `?room=` selects: that one, or all.
  private static func rooms(
    _ report: Report, named name: String?, isRequired: Bool
  ) throws(Refusal) -> [RoomReport] {
    let rooms = report.rooms
    guard let name else {
      if isRequired {
        throw Refusal(status: .badRequest, code: "bad-message", detail: "the query must name a room: ?room=NAME")
      }
      return rooms
    }
    guard let room = rooms.first(where: { $0.name == name }) else {
      throw Refusal(status: .notFound, code: "not-found", detail: "there is no room \(name.prefix(64))")
    }
    return [room]
  }

  private func act(_ control: any CallControl, _ request: HTTPRequest) throws(Refusal) -> HTTPReply {
    let order: AdminOrder = try decode(request)
    return try outcome(of: try action(request.path, order), by: control)
  }

  func outcome(of action: AdminAction, by control: any CallControl) throws(Refusal) -> HTTPReply {
    switch control.administer(action) {
    case .done: return .json(AdminDone(done: true))
    case .notFound(let what): return .problem(.notFound, .notFound, what)
    case .described(let sdp): return .json(AdminDescription(sdp: sdp))
    case .refused(let error): throw Refusal(error)
    case .captureBegun(let id): return .json(AdminCaptureBegun(id: id.rawValue))
    case .captureRead(let report): return .json(AdminCapture(report))
    case .limited(let what): return .problem(.conflict, .limitExceeded, what)
    case .ambiguous(let ids):
      return .problem(
        .conflict, code: "ambiguous",
        "\(ids.count) participants have this name; name one by its id: \(ids.joined(separator: ", "))")
    }
  }

  private func trace(_ control: any CallControl, _ request: HTTPRequest, _ now: Date) throws(Refusal) -> HTTPReply {
    let order: AdminTraceOrder = try decode(request)
    guard let source = order.source else {
      throw Refusal(
        status: .badRequest, code: "bad-message", detail: "field \"source\" is missing; it must be a number")
    }
    let every = order.every ?? 1
    guard (1...1_000_000).contains(every) else {
      throw Refusal(status: .badRequest, code: "bad-message", detail: "field \"every\" must be from 1 to 1000000")
    }
    switch control.trace(TraceRequest(source: source, every: every, after: order.after)) {
    case .traced(let report): return .json(AdminTrace(report, now: now))
    case .notFound(let what): return .problem(.notFound, .notFound, what)
    case .refused(let why): throw Refusal(status: .conflict, code: "not-traceable", detail: why)
    }
  }

  // MARK: Clear RTP

  private func addRTP(_ control: any CallControl, _ request: HTTPRequest) throws(Refusal) -> HTTPReply {
    let form: RTPParticipantForm = try decode(request)
    let participant: RTPParticipant
    do throws(RTPParticipantError) {
      participant = try form.read(rule: CallName.rule, isName: CallName.isValid)
    } catch {
      throw Refusal(error)
    }
    return try outcome(of: .addRTP(participant), by: control)
  }

  /// Which participant goes: by the query, or by the body.
  private func removal(_ request: HTTPRequest) throws(Refusal) -> AdminAction {
    let order: AdminRTPOrder = try decode(request)
    return .removeRTP(
      room: try need(request.query["room"] ?? order.room, "room"),
      name: try need(request.query["name"] ?? order.name, "name"))
  }

  private func description(_ request: HTTPRequest) throws(Refusal) -> AdminAction {
    .describeRTP(room: try need(request.query["room"], "room"), name: try need(request.query["name"], "name"))
  }

  private func action(_ path: String, _ order: AdminOrder) throws(Refusal) -> AdminAction {
    switch path {
    case "/kick":
      return .kick(room: try need(order.room, "room"), participant: try need(order.participant, "participant"))
    case "/close": return .close(room: try need(order.room, "room"))
    case "/drain": return .drain(order.on ?? true)
    default:
      return .mute(
        room: try need(order.room, "room"), participant: try need(order.participant, "participant"), track: order.track,
        muted: order.muted ?? true)
    }
  }

  private func token(_ request: HTTPRequest, _ now: Date) throws(Refusal) -> HTTPReply {
    guard let tokens else {
      throw Refusal(
        status: .conflict, code: "forbidden",
        detail: "this server uses no tokens (auth is none); configure auth and token-secret")
    }
    let order: AdminTokenOrder = try decode(request)
    let lifetime = order.ttl ?? 3600
    guard lifetime.isFinite, lifetime >= 1, lifetime <= 366 * 86400 else {
      throw Refusal(status: .badRequest, code: "bad-message", detail: "\"ttl\" must be 1 to \(366 * 86400) seconds")
    }
    for name in [order.room, order.identity].compactMap({ $0 }) where !CallName.isValid(name) {
      throw Refusal(
        status: .badRequest, code: "bad-message", detail: "\"room\" and \"identity\" must be \(CallName.rule)")
    }
    let grants = Grants(
      room: order.room, identity: order.identity, canPublish: order.canPublish ?? true,
      canSubscribe: order.canSubscribe ?? true)
    guard let token = try? tokens.make(grants, issuedAt: now, lifetime: lifetime) else {
      throw Refusal(status: .internalServerError, code: "internal", detail: "the token could not be signed")
    }
    return .json(AdminToken(token: token, expiresAt: now.timeIntervalSince1970.rounded(.down) + lifetime))
  }

  func need(_ value: String?, _ field: String) throws(Refusal) -> String {
    guard let value, !value.isEmpty else {
      throw Refusal(
        status: .badRequest, code: "bad-message", detail: "field \"\(field)\" is missing; it must be a string")
    }
    return value
  }

  func decode<T: Decodable>(_ request: HTTPRequest) throws(Refusal) -> T {
    let body = request.body.isEmpty ? [UInt8]("{}".utf8) : request.body
    do throws(JSONGrammar.Failure) { try JSONGrammar.check(body) } catch {
      throw Refusal(status: .badRequest, code: "bad-json", detail: error.message)
    }
    do { return try JSONDecoder().decode(T.self, from: Data(body)) } catch DecodingError.typeMismatch(
      let type, let context)
    {
      let field = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw Refusal(status: .badRequest, code: "bad-message", detail: "field \"\(field)\" must be of type \(type)")
    } catch {
      throw Refusal(status: .badRequest, code: "bad-json", detail: "the body must be a JSON object")
    }
  }
}

/// The latest report. Making one looks at every stream: it is made anew as often as that costs the event loop a twentieth of
/// its time at most. On the event loop only.
private final class RecentReport {
  private var latest: (report: Report, until: NIODeadline)?

  func report(of control: any CallControl, now: NIODeadline) -> Report {
    if let latest, now < latest.until { return latest.report }
    let report = control.report()
    let cost = NIODeadline.now() - now
    latest = (report, now + min(.seconds(1), .nanoseconds(cost.nanoseconds * 20)))
    return report
  }

  /// Something may have changed by order.
  func forget() { latest = nil }
}
