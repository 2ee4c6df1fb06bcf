import Forwarding
import Glibc
import Wire

/// The worker: one thread that reads packets, lets `Forwarder` make the copies and sends them; carries out commands; tells
/// what happened. Owns everything it touches; nothing on the way of a packet allocates.
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
  var forwarder = Forwarder()
  var memory: PacketMemory
  var copies = CopyBatch()
  var received = ReceiveBatch()
  var sendV4 = SendBatch()
  var sendV6 = SendBatch()
  var paths = PathTable()
  var transports: [TransportID: FiveTuple] = [:]
  var events: [FastPathEvent] = []
  var counters = LaneCounters()
  var times = TimeHistogram()
  private var statisticsDue: Instant

  private static let statisticsInterval = Interval.seconds(1)
  /// Longest sleep, so that what is due is told in time, in milliseconds.
  private static let longestWait: CInt = 25

  init(_ setup: Setup) throws(FastPathError) {
    self.setup = setup
    memory = try PacketMemory(frameCount: 16_384)
    statisticsDue = Instant.current().advanced(by: Self.statisticsInterval)
    publishStatistics(now: .current())
  }

  /// Until told to stop.
  mutating func run() {
    while true {
      waitForWork()
      let (commands, isStopping) = setup.mailbox.take()
      if isStopping { return }
      let now = Instant.current()
      for command in commands { carryOut(command, now: now) }
      receive(from: setup.sockets.v4)
      receive(from: setup.sockets.v6)
      deliver()
    }
  }

  private func waitForWork() {
    withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 3) { descriptors in
      for (i, descriptor) in [setup.mailbox.wakeUp, setup.sockets.v4, setup.sockets.v6].enumerated() {
        descriptors[i] = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      }
      _ = poll(descriptors.baseAddress, 3, Self.longestWait)
    }
  }

  // MARK: Commands

  private mutating func carryOut(_ command: FastPathCommand, now: Instant) {
    forwarder.apply(command, now: now)
    switch command {
    case .addTransport(let transport): setPath(transport.id, transport.tuple)
    case .moveTransport(let id, let tuple): if transports[id] != nil { setPath(id, tuple) }
    case .removeTransport(let id): transports[id] = nil
    default: break
    }
  }

  private mutating func setPath(_ id: TransportID, _ tuple: FiveTuple) {
    guard let index = forwarder.index(of: id) else { return }
    transports[id] = tuple
    paths.set(index, tuple)
  }

  // MARK: Events

  private mutating func deliver() {
    let now = Instant.current()
    events += forwarder.takeEvents(now: now)
    if now >= statisticsDue {
      statisticsDue = now.advanced(by: Self.statisticsInterval)
      events.append(.statistics(publishStatistics(now: now)))
    }
    guard !events.isEmpty else { return }
    let told = events
    events.removeAll(keepingCapacity: true)
    setup.events(told)
  }

  @discardableResult
  private mutating func publishStatistics(now: Instant) -> FastPathStatistics {
    var statistics = FastPathStatistics(at: now)
    let counted = forwarder.statistics()
    statistics.sources = counted.sources
    statistics.sinks = counted.sinks
    statistics.verdicts = counted.verdicts + counters.verdicts
    statistics.verdicts.append(VerdictCount(name: "control_unsent", count: setup.published.unsentControlDatagrams))
    statistics.forwardingTimes = times.value
    setup.published.publish(statistics)
    return statistics
  }
}
