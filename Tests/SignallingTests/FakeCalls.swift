import Forwarding
import Glibc
import Logging
import NIOCore
import NIOPosix
import SFU
import Signalling
import Wire

/// Stands in for the control loop: answers as an SFU would and remembers what it was told. On the event loop only.
final class FakeCalls: CallControl {
  weak var server: SignallingServer?
  var inputs: [SFUInput] = []
  var actions: [AdminAction] = []
  var current = Report()
  private var joined: Set<ConnectionID> = []

  /// Of the event loop.
  var mostInputsPerTurn = 0
  private var inputsThisTurn = 0

  private func countInput() {
    if inputsThisTurn == 0 {
      MultiThreadedEventLoopGroup.currentEventLoop?.assumeIsolated().execute { self.inputsThisTurn = 0 }
    }
    inputsThisTurn += 1
    mostInputsPerTurn = max(mostInputsPerTurn, inputsThisTurn)
  }

  func handle(_ input: SFUInput) {
    defer { server?.flush() }
    inputs.append(input)
    countInput()
    switch input {
    case .message(let connection, let message, _): answer(message, connection)
    case .request(let request, let resource): server?.respond(request, respond(resource))
    case .disconnected, .fastPath, .tick: break
    }
  }

  private func answer(_ message: ClientMessage, _ connection: ConnectionID) {
    switch message {
    case .join(let room, let name, _):
      if !joined.insert(connection).inserted {
        server?.deliver(.error(.outOfOrder, message: "already in room \(room)"), to: connection)
      } else {
        let participant = ParticipantInfo(id: "p-\(name)", name: name, tracks: [])
        let secret = joined.count == 1 ? "secret" : "secret-\(joined.count)"
        server?.deliver(.joined(participant: participant, participants: [], resume: secret), to: connection)
      }
    case .mute(_, true):
      // More than a reader that does not read may leave waiting.
      for _ in 0..<64 {
        server?.deliver(.offer(sdp: String(repeating: "x", count: 64 << 10), tracks: [:]), to: connection)
      }
    case .restart: server?.close(connection, reason: .kicked)
    case .leave: joined.remove(connection)
    default: server?.deliver(.error(.outOfOrder, message: "echo"), to: connection)
    }
  }

  private func respond(_ request: ResourceRequest) -> ResourceResponse {
    switch request {
    case .create(_, _, "nobody", _, _, _): .failed(status: 404, .notFound, detail: "nobody publishes nothing")
    case .create:
      .created(
        resource: "r1", answer: "v=0\r\n", entityTag: "tag1",
        iceServers: ["stun:stun.example.org", "turn:ada:p%22%5Cw@turn.example.org?transport=tcp"].compactMap {
          ICEServer($0)
        }, warnings: [#"of "x" and \ none"#])
    case .patch(_, _, _, _, _, let tags) where tags == ["*"]:
      .restarted(fragment: "a=ice-ufrag:new\r\n", entityTag: "tag2")
    case .patch(_, _, _, _, _, let tags) where !tags.contains("tag1"):
      .failed(status: 412, .outOfOrder, detail: "another tag")
    case .patch: .accepted
    case .delete: .deleted
    }
  }

  var reports = 0

  func report() -> Report {
    reports += 1
    return current
  }

  var isDraining: Bool { current.draining }

  func administer(_ action: AdminAction) -> AdminOutcome {
    actions.append(action)
    if case .close(room: "nowhere") = action { return .notFound("there is no room nowhere") }
    if case .addRTP(let participant) = action, participant.room == "taken" {
      return .refused(RTPParticipantError(.name, "there is one", reason: .conflict))
    }
    if case .describeRTP = action { return .described("v=0\r\n") }
    switch action {
    case .beginCapture(let order) where order.room == "full": return .limited("4 captures go on")
    case .beginCapture: return .captureBegun(CaptureID(rawValue: 5))
    case .readCapture(CaptureID(rawValue: 5)):
      return .captureRead(CaptureReport(blocks: [1, 2, 3], packets: 7, dropped: 1))
    case .readCapture(let id): return .notFound("there is no capture \(id.rawValue)")
    default: break
    }
    if case .drain(let on) = action { current.draining = on }
    return .done
  }

  var traced: [TraceRequest] = []
  var traceOutcome = TraceOutcome.notFound("there is no source")
  var statistics = FastPathStatistics(at: .zero)

  func trace(_ request: TraceRequest) -> TraceOutcome {
    traced.append(request)
    return traceOutcome
  }

  func fastPathStatistics() -> FastPathStatistics { statistics }

}

/// A signalling server on a free port of the loopback interface, with fake calls behind it.
final class TestServer: Sendable {
  let port: Int
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let parts: NIOLoopBound<(FakeCalls, SignallingServer)>

  /// `workOfATurn`: what the clock says that every input costs; nil: what it does cost.
  init(
    tokens: SessionTokens? = nil, web: String? = nil, limits: SignallingLimits = SignallingLimits(),
    origins: OriginRule = .any, publicURL: String = "", log: Logger = Logger(label: "test"),
    workOfATurn: Interval? = nil, isStarted: Bool = true
  ) throws {
    let loop = group.next()
    var configuration = SignallingConfiguration(port: 0, webFolder: web, tokens: tokens, limits: limits)
    configuration.origins = origins
    configuration.publicURL = publicURL
    (parts, port) = try loop.flatSubmit { [configuration] in
      let calls = FakeCalls()
      var time = Instant.zero
      let turns = workOfATurn.map { work in
        LoopTurns(
          log: log,
          processorTime: {
            time = time.advanced(by: work)
            return time
          })
      }
      let server = SignallingServer(configuration: configuration, eventLoop: loop, log: log, turns: turns)
      calls.server = server
      let parts = NIOLoopBound((calls, server), eventLoop: loop)
      return server.listen().map { (parts, $0) }
    }.wait()
    if isStarted { try start() }
  }

  func start() throws { try group.next().submit { [parts] in parts.value.1.start(parts.value.0) }.wait() }

  deinit { group.shutdownGracefully { _ in } }

  /// Runs `body` on the event loop.
  func withCalls<T: Sendable>(_ body: @escaping @Sendable (FakeCalls) -> T) throws -> T {
    try group.next().submit { [parts] in body(parts.value.0) }.wait()
  }

  func stop() throws { try group.next().flatSubmit { [parts] in parts.value.1.stop() }.wait() }

  /// Waits until `condition` holds, thirty seconds at most.
  func eventually(_ condition: @escaping @Sendable (FakeCalls) -> Bool) throws -> Bool {
    for _ in 0..<3000 {
      if try withCalls(condition) { return true }
      usleep(10_000)
    }
    return false
  }
}
