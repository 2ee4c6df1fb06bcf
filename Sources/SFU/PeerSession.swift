import Forwarding
import ICE
import Peer
import RTP
import SDP
import Wire

/// One connection of a participant with what the SFU keeps of it: whose it is, what was agreed, and whether its transport
/// is programmed. WebRTC connections are one-way; one of clear RTP may both publish and subscribe.
///
/// A class, since each datagram and each tick looks into one, and copying all this for a look cost more than the look.
final class PeerSession {
  /// Also the name of its transport.
  let id: TransportID
  let participant: ParticipantID
  let connection: Connection
  /// The 5-tuple under which its datagrams are found.
  var tuple: FiveTuple?
  /// Those on which a check was good, the oldest first: what `PeerFinder` keeps of it.
  var claims: [FiveTuple] = []
  /// The local username fragments under which it is found; as many as ICE accepted at the latest restart.
  var usernameFragments: [String]
  /// What the fast path was told of the two.
  var expectation = Expectation()
  /// What the client's latest description says of its side.
  var remote: RemoteTransportDescription?
  /// Set once ICE, DTLS and key export are complete: only then has it routes.
  var profile: String?
  var publication: Publication?
  var subscriber: Subscriber?
  /// As its receiver reports tell.
  var roundTrip = RoundTrip()
  /// WHIP and WHEP: the resource's name and its entity tag, which changes with each ICE restart.
  var resource: (id: String, entityTag: String)?

  init(
    id: TransportID, participant: ParticipantID, connection: Connection, tuple: FiveTuple? = nil,
    usernameFragments: [String] = [], publication: Publication?, subscriber: Subscriber?
  ) {
    self.id = id
    self.participant = participant
    self.connection = connection
    self.tuple = tuple
    self.usernameFragments = usernameFragments
    self.publication = publication
    self.subscriber = subscriber
  }

  var isConnected: Bool { connection.isClear || profile != nil }

  var role: PeerRole { publication == nil ? .subscribe : .publish }
}

/// What a participant publishes on a session.
struct Publication {
  /// nil for clear RTP, where nothing is negotiated.
  var session: NegotiatedSession?
  /// Track of each accepted m-line, by mid; of clear RTP, by place among its formats.
  var tracks: [String: TrackID] = [:]
  var feedback = TransportFeedbackBuilder()
}

/// What a participant receives on a session: what it was offered and took.
struct Subscriber {
  /// nil where we offer nothing (WHEP, clear RTP).
  var session: SubscribeSession?
  /// Over WHEP the client offers: what our answer agreed.
  var answered: NegotiatedSession?
  /// In the order in which the room has their tracks.
  var subscriptions: [Subscription] = []
  var offer = OfferState.stable
  /// Whether its tracks changed since the last offer.
  var isStale = false
  /// Whether the next offer restarts ICE. Not before: the answer to one in flight brings the client's old credentials.
  var wantsRestart = false
  /// Its copies by their SSRC, for the receiver's reports.
  var sinkBySSRC: [UInt32: SinkID] = [:]
  /// The same by the SSRC of what is sent again.
  var sinkByRetransmissionSSRC: [UInt32: SinkID] = [:]
  /// What a clear-RTP receiver takes.
  var formats: [RTPFormat] = []
  var refresh: KeyFrameRefresh?
  var lastSSRC: UInt32 = .random(in: 0..<1 << 31)

  /// At most one offer is in flight; changes meanwhile wait for its answer.
  enum OfferState: Equatable { case stable, awaitingAnswer }

  subscript(track: TrackID) -> Subscription? { subscriptions.first { $0.track == track } }

  /// An SSRC not used before. They ascend: so the fast path knows old ones without a list of all.
  mutating func takeSSRC() -> UInt32 {
    lastSSRC &+= 1
    return lastSSRC
  }
}

/// One track on its way to one subscriber.
struct Subscription {
  /// Over WHEP another of the same participant and kind may take its place.
  var track: TrackID
  let from: ParticipantID
  let kind: MediaKind
  /// The source that its SSRC was chosen for. Another source must get another SSRC: under one SRTP key a packet index of an
  /// SSRC must never repeat (RFC 3711 section 9.1).
  var source: SourceID?
  let ssrc: UInt32
  let retransmissionSSRC: UInt32?
  let sequenceOffset: UInt16
  let timestampOffset: UInt32
  /// What the subscriber's answer took; nil before.
  var accepted: SubscribedMedia?
  var sink: SinkID?
  /// Whether both sides know that the receiver has no codec for what is sent.
  var isUnplayable = false
}
