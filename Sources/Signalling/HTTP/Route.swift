import NIOHTTP1
import SFU

/// What a request's path names.
enum Route: Hashable {
  case webSocket
  case metrics
  case health
  case readiness
  /// `/whip/{room}/{participant}` (publish) or `/whep/...` (subscribe).
  case endpoint(PeerRole, room: String, participant: String)
  /// The same with `/{resource}`: one session.
  case resource(PeerRole, room: String, participant: String, resource: String)
  /// `*`: the server as a whole.
  case server
  /// Everything else, below the web folder; the segments are decoded. A slash at the end of a path means nothing.
  case file([String])

  enum Failure: Error, Hashable {
    case notAPath
    case badPath
    case badName(String)
    case notFound
  }

  init(_ request: HTTPRequest) throws(Failure) {
    guard request.path != "*" else {
      self = .server
      return
    }
    guard request.path.hasPrefix("/") else { throw .notAPath }
    guard var segments = request.segments else { throw .badPath }
    if segments.count > 1, segments.last == "" { segments.removeLast() }
    switch segments.first {
    case "ws" where segments.count == 1: self = .webSocket
    case "metrics" where segments.count == 1: self = .metrics
    case "healthz" where segments.count == 1: self = .health
    case "readyz" where segments.count == 1: self = .readiness
    case "whip": self = try Self.session(.publish, segments)
    case "whep": self = try Self.session(.subscribe, segments)
    default: self = .file(segments)
    }
  }

  private static func session(_ role: PeerRole, _ segments: [String]) throws(Failure) -> Route {
    guard segments.count == 3 || segments.count == 4 else { throw .notFound }
    for name in segments[1...2] where !CallName.isValid(name) { throw .badName(name) }
    guard segments.count == 4 else { return .endpoint(role, room: segments[1], participant: segments[2]) }
    guard !segments[3].isEmpty, segments[3].utf8.count <= 128 else { throw .notFound }
    return .resource(role, room: segments[1], participant: segments[2], resource: segments[3])
  }

  var methods: [HTTPMethod] {
    switch self {
    case .webSocket: [.GET]
    case .metrics, .health, .readiness, .file: [.GET, .HEAD]
    case .server: [.OPTIONS]
    case .endpoint: [.POST, .OPTIONS]
    case .resource: [.PATCH, .DELETE, .OPTIONS]
    }
  }

  /// Whether it opens or changes calls, which not every page may.
  var isForOwnPages: Bool {
    switch self {
    case .webSocket, .endpoint, .resource: true
    case .metrics, .health, .readiness, .server, .file: false
    }
  }

  /// Whether a request's body means anything.
  var takesBody: Bool {
    switch self {
    case .endpoint, .resource: true
    case .webSocket, .metrics, .health, .readiness, .server, .file: false
    }
  }

  /// WHIP, WHEP and the client module are used from pages of any origin.
  var isCrossOrigin: Bool {
    switch self {
    case .endpoint, .resource, .file: true
    case .webSocket, .metrics, .health, .readiness, .server: false
    }
  }
}
