/// What the server says over the WebSocket. Documented with examples in docs/signalling.md.
public enum ServerMessage: Hashable, Sendable {
  case joined(
    participant: ParticipantInfo, participants: [ParticipantInfo], iceServers: [ICEServer] = [], resume: String)
  /// Answers `publish` and `restart {publish}`; `tracks` names the track of each accepted mid.
  case answer(sdp: String, tracks: [String: TrackInfo])
  /// An offer of the subscribe peer; `tracks` says, by mid, whose track each active m-line carries.
  case offer(sdp: String, tracks: [String: SubscribedTrack])
  case participant(event: ParticipantEvent, participant: ParticipantInfo)
  case track(event: TrackEvent, participant: String, track: TrackInfo)
  /// A `track` message, too, with the event "unplayable": `receiver` has no codec in which the track is sent. To both.
  case unplayable(participant: String, track: TrackInfo, receiver: String, reason: String)
  /// Loss and lane of what this participant sends and receives: the tracks for which they changed, at most once a second.
  case quality([TrackQuality])
  /// The participants who speak now, loudest first; when others do than before, at most once a second.
  case speakers([String])
  /// `target`: the peer that it is about, if it is about one.
  case error(ErrorCode, message: String, target: PeerRole? = nil)
}

public enum ParticipantEvent: String, Hashable, Sendable, Codable { case joined, left }
public enum TrackEvent: String, Hashable, Sendable, Codable { case added, removed, muted, unmuted }

public struct ParticipantInfo: Hashable, Sendable, Codable {
  public var id: String
  public var name: String
  public var tracks: [TrackInfo]

  public init(id: String, name: String, tracks: [TrackInfo]) {
    self.id = id
    self.name = name
    self.tracks = tracks
  }
}

public struct TrackInfo: Hashable, Sendable, Codable {
  public var id: String
  /// "audio" or "video".
  public var kind: String
  public var label: TrackLabel?
  /// Encoding names in use, e.g. "VP8".
  public var codecs: [String]
  public var muted: Bool

  public init(id: String, kind: String, label: TrackLabel?, codecs: [String], muted: Bool) {
    self.id = id
    self.kind = kind
    self.label = label
    self.codecs = codecs
    self.muted = muted
  }
}

public struct SubscribedTrack: Hashable, Sendable, Codable {
  public var participant: String
  public var track: String

  public init(participant: String, track: String) {
    self.participant = participant
    self.track = track
  }
}

public struct TrackQuality: Hashable, Sendable, Codable {
  public var track: String
  /// "send" for one's own track, "receive" for another's.
  public var direction: String
  /// Packets lost over those expected, 0 to 1, in the last ten seconds; 0 while nobody knows.
  public var loss: Double
  /// The same of those that did not come by retransmission either; nil while nobody knows.
  public var lossAfterRepair: Double?
  public var lane: String
  public var laneReason: String

  public init(
    track: String, direction: String, loss: Double, lossAfterRepair: Double? = nil, lane: String, laneReason: String
  ) {
    self.track = track
    self.direction = direction
    self.loss = loss
    self.lossAfterRepair = lossAfterRepair
    self.lane = lane
    self.laneReason = laneReason
  }
}

/// The `code` of an `error` message: what scripts match on. The message beside it is for people.
public enum ErrorCode: String, Hashable, Sendable, Codable, CaseIterable {
  case badJSON = "bad-json"
  case badMessage = "bad-message"
  case badSDP = "bad-sdp"
  case unsupportedSDP = "unsupported-sdp"
  case outOfOrder = "out-of-order"
  case unauthorized
  case forbidden
  case notFound = "not-found"
  case roomFull = "room-full"
  case tooManyRooms = "too-many-rooms"
  case limitExceeded = "limit-exceeded"
  case rateLimited = "rate-limited"
  case nameTaken = "name-taken"
  case draining
  case kicked
  case roomClosed = "room-closed"
  case fingerprintMismatch = "fingerprint-mismatch"
  case peerFailed = "peer-failed"
  case replaced
}
