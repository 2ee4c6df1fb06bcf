import Forwarding

/// Names a WebSocket connection; chosen by the signalling layer, never used twice.
public struct ConnectionID: Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names an HTTP request that waits for its response.
public struct RequestID: Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Everything that can happen to the SFU.
public enum SFUInput: Sendable {
  /// A client's message. `grants` come from the token of its `join` and are repeated with every later message.
  case message(ConnectionID, ClientMessage, grants: Grants)
  case disconnected(ConnectionID)
  /// WHIP or WHEP.
  case request(RequestID, ResourceRequest)
  case fastPath(FastPathEvent)
  /// Time passed. Sent every 20 to 50 ms.
  case tick

  var isTick: Bool { if case .tick = self { true } else { false } }
}

/// A WHIP (RFC 9725) or WHEP request that passed HTTP's own checks.
public enum ResourceRequest: Hashable, Sendable {
  /// POST with an SDP offer: `.publish` is WHIP, `.subscribe` WHEP. `client` is the address it came from, for the log.
  case create(PeerRole, room: String, participant: String, offer: String, grants: Grants, client: String = "unknown")
  /// PATCH with an SDP fragment (RFC 8840): candidates, or an ICE restart when it brings new credentials. `ifMatch`: entity
  /// tags, of which one must be the session's, or "*" alone.
  case patch(PeerRole, room: String, participant: String, resource: String, fragment: String, ifMatch: [String])
  case delete(PeerRole, room: String, participant: String, resource: String)
}

public enum ResourceResponse: Hashable, Sendable {
  /// 201. `resource` is an unguessable path component; the entity tag is without quotes. `warnings`: what of the offer is
  /// not served beside the rest, for people.
  case created(
    resource: String, answer: String, entityTag: String, iceServers: [ICEServer] = [], warnings: [String] = [])
  /// 204 for candidates.
  case accepted
  /// 200 with the fragment that answers an ICE restart.
  case restarted(fragment: String, entityTag: String)
  /// 200 after DELETE.
  case deleted
  /// A 4xx or 5xx with its problem.
  case failed(status: Int, ErrorCode, detail: String)
}
