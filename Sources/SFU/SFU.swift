import DTLS
import Forwarding
import ICE
import Peer
import SDP
import Wire

/// The selective forwarding unit: rooms, participants, their peers and tracks, and who receives what. It owns all call state
/// on one event loop and does nothing itself: `handle` says what must be done, in order.
///
/// A route (transport, source, sink) is commanded only when its peer is connected: ICE pair selected, DTLS finished,
/// fingerprint verified, keys exported. It is removed the moment the peer, the track or consent ends.
public struct SFU {
  public internal(set) var configuration: SFUConfiguration
  let certificate: DTLSCertificate
  let capabilities: Capabilities

  var rooms: [String: Room] = [:]
  var participants: [ParticipantID: Participant] = [:]
  var connections: [ConnectionID: ParticipantID] = [:]
  var peers: [TransportID: PeerSession] = [:]
  /// Those whose handshakes are not finished, which every tick retransmits; the others have their turn once a second.
  var connecting: Set<TransportID> = []
  private var ticks: UInt32 = 0
  private var absence = Absence()
  /// Of 25 ms.
  private static let ticksPerRound: UInt32 = 40
  var tracks: [TrackID: Track] = [:]
  var sources: [SourceID: SourceState] = [:]
  var sinks: [SinkID: SinkState] = [:]
  /// Sessions of clear RTP that receive.
  var clearReceivers: Set<TransportID> = []
  var finder = PeerFinder()
  var sequencer = Sequencer()
  var counters = SFUCounters()
  public internal(set) var isDraining = false
  var captures: [CaptureID: CaptureState] = [:]
  /// RTCP that this event brought or sent, for captures.
  var control: [ControlPacket] = []
  var fastPathStatistics: FastPathStatistics?
  var traces: [SourceID: Trace] = [:]

  /// Rooms whose tracks, and participants whose wishes, changed in this event: subscribers are brought up to date at its end.
  var changedRooms: Set<String> = []
  var changedParticipants: Set<ParticipantID> = []
  var outdated = OutdatedSubscribers()
  /// What `handle` will return.
  var commands: [SFUCommand] = []

  public init(configuration: SFUConfiguration, certificate: DTLSCertificate, now: Instant) {
    self.configuration = configuration
    self.certificate = certificate
    var capabilities = Capabilities.standard
    capabilities.maximumTracks = configuration.maximumTracksPerParticipant
    self.capabilities = capabilities
  }

  /// Takes in one event and says what must be done about it.
  public mutating func handle(_ input: SFUInput, now: Instant) -> [SFUCommand] {
    switch input {
    case .message(let connection, let message, let grants): received(message, on: connection, grants: grants, now: now)
    case .disconnected(let connection): disconnected(connection, now: now)
    case .request(let request, let resource): respond(to: resource, request, now: now)
    case .fastPath(let event): received(event, now: now)
    case .tick: tick(now: now)
    }
    return takeCommands(now: now, isTick: input.isTick)
  }

  /// Carries out an operator's wish.
  public mutating func administer(_ action: AdminAction, now: Instant) -> (AdminOutcome, [SFUCommand]) {
    let outcome = perform(action, now: now)
    return (outcome, takeCommands(now: now))
  }

  /// Ends every participant, since the server stops; nobody comes in any more. Nobody is told of the others' leaving, since
  /// all go.
  public mutating func stop(now: Instant) -> [SFUCommand] {
    isDraining = true
    rooms = [:]
    // Receivers first: their copies end with them, not one by one with what they are copies of.
    for (id, session) in peers where session.subscriber != nil { removePeer(id, now: now) }
    for id in participants.keys { remove(id, reason: "the server stops", now: now) }
    return takeCommands(now: now)
  }

  /// The host's addresses changed; later answers and offers carry the new candidates.
  public mutating func setCandidates(_ candidates: [SocketAddress]) { configuration.candidates = candidates }

  /// Subscribers are brought up to date last, so that everything that one event changed is in one offer; what takes longer than
  /// a turn goes on at the next ticks.
  private mutating func takeCommands(now: Instant, isTick: Bool = false) -> [SFUCommand] {
    updateSubscribers(now: now, isTick: isTick)
    followCaptures(now: now)
    defer { commands = [] }
    return commands
  }

  private mutating func received(_ event: FastPathEvent, now: Instant) {
    switch event {
    case .datagram(let bytes, let tuple, let receivedAt): received(bytes, on: tuple, now: receivedAt)
    case .unknownSource(let transport, let unknown): learned(unknown, on: transport, now: now)
    case .missing(let source, let sequences): requestRetransmission(of: sequences, from: source, now: now)
    case .arrivals(let transport, let arrivals): reportArrivals(arrivals, on: transport)
    case .statistics(let statistics): received(statistics, now: now)
    case .captured(let capture, let record): received(record, of: capture)
    case .traced(let news): received(news)
    }
  }

  private mutating func tick(now: Instant) {
    ticks &+= 1
    if let gone = absence.ticked(at: now) {
      commands.append(
        log(
          .warning, "this process stood still; nobody's silence counts until what waits is read",
          ["seconds": "\(Int(gone.seconds))"]))
    }
    let judges = absence.mayJudge(at: now)
    // All at once would be the largest part of what a thousand idle connections cost.
    let due = peers.keys.filter {
      connecting.contains($0) || $0.rawValue % Self.ticksPerRound == ticks % Self.ticksPerRound
    }
    for id in due {
      guard let outputs = peers[id]?.connection.tick(now: now, judges: judges), !outputs.isEmpty else { continue }
      handle(outputs, of: id, now: now)
    }
    refreshClearReceivers(now: now)
    tendCaptures(now: now)
    settleTraces(now: now)
    for (id, var state) in sources where state.keyFrames.isDue(now: now) {
      sources[id] = state
      sendPLI(to: id)
    }
  }

  func log(_ level: LogEvent.Level, _ message: String, _ metadata: [String: String]) -> SFUCommand {
    .log(LogEvent(level, message, metadata))
  }
}
