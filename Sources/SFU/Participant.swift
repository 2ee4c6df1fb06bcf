import Forwarding
import Wire

/// How a participant came to us.
enum Doorway: Hashable {
  case websocket(ConnectionID)
  case whip
  /// A viewer of one participant's tracks; others do not see it.
  case whep(of: ParticipantID)
  /// Clear RTP, set up by an operator.
  case rtp

  var name: String {
    switch self {
    case .websocket: "websocket"
    case .whip: "whip"
    case .whep: "whep"
    case .rtp: "rtp"
    }
  }

  /// Viewers have no name of their own and are not announced.
  var isViewer: Bool { if case .whep = self { true } else { false } }
}

/// A person or device in a room.
struct Participant {
  let id: ParticipantID
  let name: String
  let room: String
  var doorway: Doorway
  var grants: Grants
  let joinedAt: Instant
  /// Proves, in a later `join`, that the newcomer is this participant come back.
  let resumeSecret: String
  var publishPeer: TransportID?
  var subscribePeer: TransportID?
  /// Clear RTP: one session for each of its media addresses.
  var clearPeers: [TransportID] = []
  /// What the operator set up of it.
  var setup: RTPParticipant?
  /// What it publishes, in order of publication.
  var tracks: [TrackID] = []
  /// Kinds of which an operator muted what it publishes: what it publishes anew, it does so muted.
  var mutedKinds: Set<MediaKind> = []
  /// The tracks it wants; nil: all.
  var wanted: Set<TrackID>?
  /// Whether the time from join to first media is already in the histogram.
  var hasReceivedMedia = false
  /// What it was last told of each track's quality: only changes are told.
  var toldQuality: [String: TrackQuality] = [:]

  var peers: [TransportID] { [publishPeer, subscribePeer].compactMap { $0 } + clearPeers }

  var isVisible: Bool { !doorway.isViewer }

  var connection: ConnectionID? {
    if case .websocket(let connection) = doorway { connection } else { nil }
  }
}

/// Participants who can see each other, in order of joining.
struct Room {
  let name: String
  var participants: [ParticipantID] = []
  /// Who speaks, as everyone there was told.
  var speakers: [ParticipantID] = []
}
