import Forwarding
import Glibc
import Wire

/// The worker: one thread that reads packets, lets `Forwarder` make the copies and sends them; carries out commands;
/// tells what happened. Owns everything it touches; nothing on the way of a packet allocates.
struct Worker: ~Copyable {
  /// What it is given at its start.
  struct Setup: Sendable {
    var configuration: FastPathConfiguration
    var sockets: MediaSockets
    var mailbox: Mailbox
    var published: PublishedStatistics
    var log: FastPath.Log
    var events: @Sendable ([FastPathEvent]) -> Void
  }

  let setup: Setup
  var forwarder: Forwarder
  var memory: PacketMemory
  var copies = CopyBatch()
  var received = ReceiveBatch()
  var sendV4: SendBatch
  var sendV6: SendBatch
  var paths = PathTable()
  /// nil: there is only the socket lane, for `socketLaneReason`.
  var xskLane: XSKLane?
  var xsks = XSKTable()
  var socketLaneReason = ""
  var transports: [TransportID: FiveTuple] = [:]
  var sources: [SourceID: TransportID] = [:]
  var sinks: [SinkID: TransportID] = [:]
  var events: [FastPathEvent] = []
  var traceDue = Instant.zero
  var counters = LaneCounters()
  var times = TimeHistogram()
  var repairTimes = TimeHistogram()
  /// The slot of the AF_XDP socket that a batch was last taken from.
  var lastXSK = 0
  /// How many datagrams are read from each UDP socket at once.
  private var datagramsAtOnce = (v4: ReceiveBatch.capacity, v6: ReceiveBatch.capacity)
  private var waiting = WaitSet()
  private var statisticsDue: Instant
  private var isStopping = false

  private static let statisticsInterval = Interval.seconds(1)
  private static let longestWait = Interval.milliseconds(25)
  /// How long packets are taken from the AF_XDP sockets, or from a UDP socket, before everything else gets its turn.
  static let turn = Interval.milliseconds(5)
  /// So many copies end a batch of packets, which a turn waits for.
  static let copiesPerBatch = 2048

  init(_ setup: Setup) throws(FastPathError) {
    self.setup = setup
    forwarder = Forwarder(cryptography: .preferred, limits: setup.configuration.limits)
    sendV4 = SendBatch(setup.sockets.v4)
    sendV6 = SendBatch(setup.sockets.v6)
    memory = try PacketMemory(frameCount: PacketMemory.defaultFrameCount)
    let now = Instant.current()
    statisticsDue = now.advanced(by: Self.statisticsInterval)
    copies.refill(from: &memory)
    openXSKLane()
    followHost(now: now)
    publishStatistics(now: now)
  }

  /// Until told to stop. Then everything is detached.
  mutating func run() {
    while !isStopping {
      let isBusy = forwarder.hasRepairs || xskLane?.isBusy ?? false
      waiting.wait(milliseconds: isBusy ? 0 : hasUnsentFrames ? 1 : longestWait)
      carryOutCommands()
      receiveFromXSKs()
      if waiting.isReadable(1) { datagramsAtOnce.v4 = receive(datagramsAtOnce.v4, from: setup.sockets.v4) }
      if waiting.isReadable(2) { datagramsAtOnce.v6 = receive(datagramsAtOnce.v6, from: setup.sockets.v6) }
      sendRepairs()
      let now = Instant.current()
      forwarder.tend(now: now)
      followHost(now: now)
      deliver(now: now)
    }
    xskLane?.end(memory: &memory, sockets: &xsks)
  }

  /// How long to sleep at most, so that what is due is told in time, in milliseconds.
  private var longestWait: CInt {
    let due = forwarder.nextDue
    guard due < Instant(nanoseconds: .max) else { return Self.milliseconds(Self.longestWait) }
    return Self.milliseconds(min(due.since(.current()), Self.longestWait))
  }

  private static func milliseconds(_ interval: Interval) -> CInt { CInt((interval.nanoseconds + 999_999) / 1_000_000) }

  // MARK: The host

  private mutating func openXSKLane() {
    guard setup.configuration.lane != .socket else {
      socketLaneReason = "the configuration asks for the socket lane"
      return
    }
    do throws(LaneRefusal) {
      xskLane = try XSKLane.load(setup.configuration, port: setup.sockets.port, log: setup.log)
    } catch {
      socketLaneReason = error.reason
      setup.log("warning", "the fast path is the socket lane", ["reason": error.reason])
    }
  }

  /// After what was received is sent: the kernel, given a source, would overtake it.
  private mutating func followHost(now: Instant) {
    let news = XSKLane.News(
      hasRoutes: waiting.isReadable(3), hasPolicies: waiting.isReadable(4), hasChains: waiting.isReadable(5))
    let hasChanged =
      xskLane?.turn(now: now, news: news, memory: &memory, sockets: &xsks, paths: &paths) ?? false
    xskLane?.chooseLanes(&forwarder, now: now)
    guard hasChanged || waiting.isEmpty else { return }
    copies.limit = xsks.end == 0 ? CopyBatch.capacity : CopyBatch.framesLimit
    // All but the last by position: see `isReadable`.
    waiting.set(
      [
        setup.mailbox.wakeUp, setup.sockets.v4, setup.sockets.v6, xskLane?.monitorDescriptor ?? -1,
        xskLane?.policiesDescriptor ?? -1, xskLane?.chainsDescriptor ?? -1,
      ] + xsks.descriptors)
  }

  // MARK: Commands

  /// Commands go before the packets that were received after them.
  @inline(__always)
  mutating func carryOutCommands() {
    guard setup.mailbox.hasMail else { return }
    carryOutMail()
  }

  private mutating func carryOutMail() {
    let mail = setup.mailbox.take()
    isStopping = isStopping || mail.isStopping
    let now = Instant.current()
    for command in mail.commands { carryOut(command, now: now) }
  }

  /// What leads packets here goes after what expects them, and before it when both end.
  private mutating func carryOut(_ command: FastPathCommand, now: Instant) {
    xskLane?.prepareKernel(for: command, &forwarder, now: now)
    if case .removeTransport(let id) = command { xskLane?.remove(id) }
    if case .removeSource(let id) = command { xskLane?.remove(id) }
    forwarder.apply(command, now: now)
    switch command {
    case .addTransport(let transport):
      guard transports[transport.id] == nil, let index = forwarder.index(of: transport.id) else { return }
      transports[transport.id] = transport.tuple
      paths.set(index, transport.tuple)
      var isClear = false
      if case .clear = transport.protection { isClear = true }
      xskLane?.add(transport.id, transport.tuple, isClear: isClear, index: index, paths: &paths)
    case .moveTransport(let id, let tuple):
      guard transports[id] != nil, let index = forwarder.index(of: id) else { return }
      transports[id] = tuple
      paths.set(index, tuple)
      xskLane?.move(id, to: tuple, paths: &paths)
    case .removeTransport(let id): transports[id] = nil
    case .addSource(let source):
      sources[source.id] = source.transport
      xskLane?.add(source)
    case .removeSource(let id): sources[id] = nil
    case .addSink(let sink): sinks[sink.id] = sink.transport
    case .removeSink(let id): sinks[id] = nil
    case .trace(let id, let every): trace(id, every: every)
    case .expect, .readExtensions, .pauseSink, .retransmit, .roundTrip, .capture: break
    }
  }

  // MARK: Events

  private mutating func deliver(now: Instant) {
    events += forwarder.takeEvents(now: now)
    if forwarder.isCapturing { events += forwarder.takeCaptured(now: now) }
    takeTraced(now: now)
    if now >= statisticsDue {
      statisticsDue = now.advanced(by: Self.statisticsInterval)
      events.append(.statistics(publishStatistics(now: now)))
    }
    guard !events.isEmpty else { return }
    let told = events
    events.removeAll(keepingCapacity: true)
    setup.events(told)
  }
}
