import Forwarding
import ICE
import Peer

/// The state of everything, as values: what `needlectl`, the admin API and the metrics show.
public struct Report: Sendable, Codable {
  public var rooms: [RoomReport] = []
  public var counters = SFUCounters()
  public var draining = false
  public init() {}
}

public struct RoomReport: Sendable, Codable {
  public var name: String
  public var participants: [ParticipantReport]
}

public struct ParticipantReport: Sendable, Codable {
  public var id: String
  public var name: String
  /// "websocket", "whip", "whep" or "rtp".
  public var via: String
  public var joinedSecondsAgo: Double
  public var peers: [PeerReport]
  /// How a clear-RTP participant is set up.
  public var rtp: RTPReport?
}

/// A clear-RTP participant as it was set up.
public struct RTPReport: Sendable, Codable, Hashable {
  public struct Format: Sendable, Codable, Hashable {
    public var codec: String
    public var kind: String
    public var payloadType: UInt8
    public var clockRate: UInt32
    public var channels: UInt8
    public var fmtp: String?
    /// As set up; nil: learned or chosen.
    public var ssrc: UInt32?
    /// Where it comes from or goes to.
    public var remote: String
    /// Where its RTCP is.
    public var rtcp: String
  }

  /// "send", "receive" or "both".
  public var direction: String
  /// The participant whose tracks alone it receives.
  public var from: String?
  public var formats: [Format]
}

public struct PeerReport: Sendable, Codable {
  public var id: String
  public var role: PeerRole
  /// "new", "checking", "connecting", "connected".
  public var state: String
  public var remote: String?
  public var local: String?
  public var srtpProfile: String?
  /// What it publishes (publish peers).
  public var sources: [SourceReport]
  /// What it receives (subscribe peers).
  public var sinks: [SinkReport]
}

public struct SourceReport: Sendable, Codable {
  public var id: UInt32
  public var track: String
  public var kind: String
  public var label: String?
  public var codec: String
  public var ssrc: UInt32
  public var isRetransmission: Bool
  public var muted: Bool
  public var packets: UInt64
  public var bytes: UInt64
  public var bitsPerSecond: Double
  /// Over the last interval, about a second, 0 to 1.
  public var loss: Double
  /// Over the last ten seconds, 0 to 1, of what came by itself, and of that and what came by retransmission; nil where
  /// nobody knows: when nothing came, and after repair of retransmissions themselves.
  public var lossBeforeRepair: Double?
  public var lossAfterRepair: Double?
  /// nil for retransmissions, whose timestamps are those of what they repeat.
  public var jitterMilliseconds: Double?
  /// To the publisher and back, by its retransmissions; nil before the first.
  public var roundTripMilliseconds: Double?
  /// Packets that had not come when later ones did; how many were asked of the publisher, repetitions included; how many it
  /// sent again in time; how many were given up.
  public var packetsMissing: UInt64
  public var packetsRequested: UInt64
  public var packetsRepaired: UInt64
  public var packetsGivenUp: UInt64
  /// From the gap to the retransmission, in the mean; nil before the first.
  public var repairMilliseconds: Double?
  /// Messages to the publisher: NACKs, and requests for a key frame (PLI).
  public var nacksSent: UInt64
  public var keyFrameRequests: UInt64
  /// Since the latest packet, or since there could be one, if that is 5 s or more; nil of what a client has
  /// muted, and of retransmissions.
  public var silentSeconds: Double?
  public var authenticationFailures: UInt64
  public var replays: UInt64
  public var packetsOnKernel: UInt64
  public var packetsOnXSK: UInt64
  public var packetsOnSocket: UInt64
  public var lane: String
  public var laneReason: String
}

public struct SinkReport: Sendable, Codable {
  public var id: UInt32
  public var source: UInt32
  public var track: String
  /// Participant id of the publisher.
  public var from: String
  public var kind: String
  public var codec: String
  public var ssrc: UInt32
  public var packets: UInt64
  public var bytes: UInt64
  public var bitsPerSecond: Double
  public var dropped: UInt64
  /// As the receiver reported it last (RFC 3550 section 6.4.1), 0 to 1.
  public var reportedLoss: Double
  /// By its reports of the last ten seconds, 0 to 1, of what came by itself, and of that and what came by retransmission;
  /// nil where nobody knows: when there were no reports, and after repair where they leave retransmissions out.
  public var lossBeforeRepair: Double?
  public var lossAfterRepair: Double?
  public var reportedJitterMilliseconds: Double
  public var roundTripMilliseconds: Double?
  /// Packets that the receiver asked for again, and what it was sent again.
  public var packetsNacked: UInt64
  public var packetsRetransmitted: UInt64
  public var bytesRetransmitted: UInt64
  /// From its request to the packet sent again, in the mean; nil before the first.
  public var repairMilliseconds: Double?
  /// Messages of the receiver: NACKs, and requests for a key frame (PLI, FIR).
  public var nacksReceived: UInt64
  public var keyFrameRequests: UInt64
  /// Why packets that it asked for were not sent, and how many each (`RepairOutcome`).
  public var repairsDenied: [String: UInt64]
  public var packetsOnKernel: UInt64
  public var packetsOnXSK: UInt64
  public var packetsOnSocket: UInt64
  public var lane: String
  public var laneReason: String
}

/// How a DTLS handshake can end, as it is counted.
enum DTLSResult: String, CaseIterable {
  case completed
  case failed
  case fingerprintMismatch = "fingerprint-mismatch"
  case timeout
}

/// Cumulative counts since start, named as the metrics name them.
public struct SFUCounters: Sendable, Codable, Hashable {
  public var nacksReceived: UInt64 = 0
  public var nacksSent: UInt64 = 0
  public var plisReceived: UInt64 = 0
  public var plisSent: UInt64 = 0
  /// Peers that ICE ended, by reason: "consent-expired", "no-checks", "not-nominated".
  public var iceFailures: [String: UInt64] = [:]
  /// STUN requests answered with an error, by code and reason: "401-bad-integrity", "487-role-conflict", ….
  public var iceRefusals: [String: UInt64] = [:]
  /// By result: "completed", "fingerprint-mismatch", "failed", "timeout".
  public var dtlsHandshakes: [String: UInt64] = [:]
  /// Seconds from join to the first media packet sent, one count per bound of `joinBounds` and one above.
  public static let joinBounds: [Double] = [0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10]
  public var joinSeconds = [UInt64](repeating: 0, count: joinBounds.count + 1)
  public var joinSecondsSum: Double = 0
  /// Datagrams that no peer could be found for or that a peer refused, by reason.
  public var datagramsDropped: [String: UInt64] = [:]
  public init() {}

  mutating func count(_ result: DTLSResult) { dtlsHandshakes[result.rawValue, default: 0] += 1 }

  // What can be counted, whether it has happened yet or not.
  public static let allICEFailures = ICEAgent.Expiry.allCases.map { PeerFailure.ice($0).name }
  public static let allICERefusals = ICEAgent.Refusal.allCases.map(\.name)
  public static let allDTLSHandshakes = DTLSResult.allCases.map(\.rawValue)
}

/// What an operator may do to calls.
public enum AdminAction: Hashable, Sendable {
  case kick(room: String, participant: String)
  /// Mutes (or unmutes) one track, or every track of the participant when `track` is nil.
  case mute(room: String, participant: String, track: String?, muted: Bool)
  case close(room: String)
  /// No new participants from now on; calls go on.
  case drain(Bool)
  /// Makes a clear-RTP sender or receiver a participant.
  case addRTP(RTPParticipant)
  case removeRTP(room: String, name: String)
  /// The SDP for a clear-RTP receiver's program.
  case describeRTP(room: String, name: String)
  case beginCapture(CaptureOrder)
  /// The next part; at least every two seconds, or the capture ends.
  case readCapture(CaptureID)
  case endCapture(CaptureID)
}

public enum AdminOutcome: Hashable, Sendable {
  case done
  /// Several participants have the name that was meant: their ids.
  case ambiguous([String])
  case notFound(String)
  /// The clear-RTP participant cannot be as it was asked for.
  case refused(RTPParticipantError)
  /// SDP.
  case described(String)
  case captureBegun(CaptureID)
  case captureRead(CaptureReport)
  /// As many as there can be are there already.
  case limited(String)
}
