import FastPath
import Forwarding
import Logging
import NIOCore
import SFU
import Signalling
import Wire

/// The one owner of all call state: feeds the SFU with what happens and carries out what it says, in order. Lives on
/// one event loop.
final class ControlLoop: CallControl {
  private var sfu: SFU
  private let fastPath: FastPath
  /// Among the addresses that the host has at that time; fails where they cannot be read.
  private let chooseCandidates: () throws -> [Wire.SocketAddress]
  private let log: Logger
  private let eventLoop: any EventLoop
  private let turns: LoopTurns
  private var interfaces = InterfaceLog()
  private var ticking: RepeatedTask?
  private var followingAddresses: RepeatedTask?
  private var queue: [SFUCommand] = []
  private var isPerforming = false
  private var inbox: EventInbox?
  /// Set once, before anything happens.
  var signalling: SignallingServer?

  private static let tickInterval = TimeAmount.milliseconds(25)
  /// How long clients may be told of an address that is gone, or not of one that is new.
  private static let addressInterval = TimeAmount.seconds(3)

  init(
    sfu: SFU, fastPath: FastPath, candidates: @escaping () throws -> [Wire.SocketAddress], eventLoop: any EventLoop,
    turns: LoopTurns, log: Logger
  ) {
    eventLoop.preconditionInEventLoop()
    self.sfu = sfu
    self.fastPath = fastPath
    chooseCandidates = candidates
    self.eventLoop = eventLoop
    self.turns = turns
    self.log = log
  }

  func start(events: EventInbox) {
    followAddresses()
    interfaces.note(fastPath.statistics().interfaces, log: log)
    inbox = events
    turns.others = { events.drainNow() }
    events.connect { [weak self, turns] events in turns.measure("fast path") { self?.received(events) } }
    let loop = NIOLoopBound(self, eventLoop: eventLoop)
    ticking = eventLoop.scheduleRepeatedTask(initialDelay: Self.tickInterval, delay: Self.tickInterval) { [turns] _ in
      turns.measure("tick") { loop.value.handle(.tick) }
    }
    followingAddresses = eventLoop.scheduleRepeatedTask(
      initialDelay: Self.addressInterval, delay: Self.addressInterval
    ) { [turns] _ in turns.measure("addresses") { loop.value.followAddresses() } }
  }

  /// Ends every peer: what tells them so is sent when this returns.
  func stop() {
    ticking?.cancel()
    ticking = nil
    followingAddresses?.cancel()
    followingAddresses = nil
    perform(sfu.stop(now: MonotonicClock.now()))
  }

  /// Hosts move between networks, and servers start before theirs.
  private func followAddresses() {
    guard let candidates = try? chooseCandidates(), candidates != sfu.configuration.candidates else { return }
    sfu.setCandidates(candidates)
    log.notice("media", metadata: ["candidates": "\(candidates.map(\.description).joined(separator: " "))"])
  }

  /// Carries out what several events lead to at once, so that their datagrams leave together.
  private func received(_ events: [FastPathEvent]) {
    var commands: [SFUCommand] = []
    for event in events {
      if case .statistics(let statistics) = event { interfaces.note(statistics.interfaces, log: log) }
      commands += sfu.handle(.fastPath(event), now: MonotonicClock.now())
    }
    perform(commands)
  }

  // MARK: CallControl

  func handle(_ input: SFUInput) { perform(sfu.handle(input, now: MonotonicClock.now())) }

  func totals() -> CallTotals { turns.measure("totals") { sfu.totals() } }

  func report() -> Report { turns.measure("report") { sfu.report(now: MonotonicClock.now()) } }

  var isDraining: Bool { sfu.isDraining }

  func administer(_ action: AdminAction) -> AdminOutcome {
    let (outcome, commands) = sfu.administer(routed(action), now: MonotonicClock.now())
    if var order = action.order {
      order["outcome"] = "\(outcome.summary)"
      log.notice("operator's order", metadata: order)
    }
    perform(commands)
    return outcome
  }

  /// A participant that the configuration has, which nobody ordered.
  func add(_ participant: RTPParticipant) -> AdminOutcome {
    let (outcome, commands) = sfu.administer(routed(.addRTP(participant)), now: MonotonicClock.now())
    perform(commands)
    return outcome
  }

  /// A participant that comes with what the host's routes say of the way to it.
  private func routed(_ action: AdminAction) -> AdminAction {
    guard case .addRTP(var setup) = action, setup.localAddress == nil else { return action }
    for remote in [setup.audioRemote, setup.videoRemote].compactMap({ $0 }) {
      setup.sourceAddresses[remote.ip] = fastPath.localAddress(towards: remote)
    }
    return .addRTP(setup)
  }

  func trace(_ request: TraceRequest) -> TraceOutcome {
    let (outcome, commands) = sfu.trace(request, now: MonotonicClock.now())
    perform(commands)
    return outcome
  }

  func fastPathStatistics() -> FastPathStatistics {
    var statistics = fastPath.statistics()
    statistics.verdicts.append(VerdictCount(name: "control_queue_full", count: inbox?.refusals ?? 0))
    return statistics
  }

  // MARK: Carrying out

  /// In order. A command may lead to another input (a slow reader's connection ends while it is written to): what that
  /// commands waits until the commands before it are done.
  private func perform(_ commands: [SFUCommand]) {
    queue.append(contentsOf: commands)
    guard !isPerforming else { return }
    isPerforming = true
    defer { isPerforming = false }
    while !queue.isEmpty {
      let commands = queue
      queue = []
      carryOut(commands)
      // A slow reader's connection may end by it.
      if queue.isEmpty { signalling?.flush() }
    }
  }

  /// Nanoseconds that an m-line in an offer costs, and later in the answer to it.
  private static let lineCost: UInt64 = 100_000

  /// Runs of datagrams and of fast-path commands go together.
  private func carryOut(_ commands: [SFUCommand]) {
    var datagrams: [(bytes: [UInt8], tuple: FiveTuple)] = []
    var routes: [FastPathCommand] = []
    for command in commands {
      if !datagrams.isEmpty, !command.isDatagram { send(&datagrams) }
      if !routes.isEmpty, !command.isRoute { program(&routes) }
      switch command {
      case .send(let bytes, let tuple): datagrams.append((bytes, tuple))
      case .fastPath(let route): routes.append(route)
      case .message(let connection, let message): signalling?.deliver(message, to: connection)
      case .close(let connection, let reason): signalling?.close(connection, reason: reason)
      case .respond(let request, let response): signalling?.respond(request, response)
      case .leaves(let lines): turns.leaves(Interval(nanoseconds: UInt64(lines) * Self.lineCost))
      case .log(let event):
        log.log(level: Logger.Level(event.level), "\(event.message)", metadata: event.metadata.mapValues { "\($0)" })
      }
    }
    send(&datagrams)
    program(&routes)
  }

  private func send(_ datagrams: inout [(bytes: [UInt8], tuple: FiveTuple)]) {
    if !datagrams.isEmpty { fastPath.send(datagrams) }
    datagrams = []
  }

  private func program(_ routes: inout [FastPathCommand]) {
    if !routes.isEmpty { fastPath.perform(routes) }
    routes = []
  }
}

extension SFUCommand {
  fileprivate var isDatagram: Bool { if case .send = self { true } else { false } }
  fileprivate var isRoute: Bool { if case .fastPath = self { true } else { false } }
}

extension AdminAction {
  /// For the log; nil for what only reads.
  fileprivate var order: Logger.Metadata? {
    switch self {
    case .kick(let room, let participant): ["action": "kick", "room": "\(room)", "participant": "\(participant)"]
    case .mute(let room, let participant, let track, let muted):
      [
        "action": muted ? "mute" : "unmute", "room": "\(room)", "participant": "\(participant)",
        "track": "\(track ?? "all")",
      ]
    case .close(let room): ["action": "close", "room": "\(room)"]
    case .drain(let on): ["action": "drain", "on": "\(on)"]
    case .addRTP(let setup): ["action": "rtp-add", "room": "\(setup.room)", "participant": "\(setup.name)"]
    case .removeRTP(let room, let name): ["action": "rtp-remove", "room": "\(room)", "participant": "\(name)"]
    case .beginCapture(let order):
      [
        "action": "capture", "room": "\(order.room)", "participant": "\(order.participant ?? "all")",
        "media": order.isDecrypted ? "DECRYPTED" : "as on the wire",
      ]
    case .endCapture(let id): ["action": "capture-end", "capture": "\(id.rawValue)"]
    case .describeRTP, .readCapture: nil
    }
  }
}

extension AdminOutcome {
  fileprivate var summary: String {
    switch self {
    case .done: "done"
    case .notFound(let what): what
    case .refused(let error): "refused: \(error)"
    case .described: "described"
    case .captureBegun(let id): "capture \(id.rawValue)"
    case .captureRead: "read"
    case .limited(let what): what
    case .ambiguous(let ids): "ambiguous: \(ids.joined(separator: ", "))"
    }
  }
}
