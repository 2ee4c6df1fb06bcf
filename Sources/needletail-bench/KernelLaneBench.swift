import CXDP
import Glibc
import Wire

/// What one copy of clear RTP costs, network included: forwarded in the kernel by XDP and by TC, and by plain loops that
/// rewrite the same headers and send with sendmmsg or sendmsg, in turns within one run.
///
/// Counted is the processor time of the thread that forwards and of the NAPI thread of the server's end of the cable,
/// which is where the kernel lane runs. Sender and receivers are not counted. Of each way the better `ReceiverPlace` counts.
/// A copy counts once it arrived at the receivers' interface. Idle processors are kept from sleeping deeply.
struct KernelLaneBench {
  enum Path: String, CaseIterable {
    case xdp = "XDP"
    case tc = "TC"
    case sendmmsg, sendmsg
  }

  struct Row {
    var fanout: Int
    var nanosecondsPerCopy: [Path: Double]
  }

  var fanouts = [1, 4, 16, 64, 256]
  /// Fewer than a veth ring holds, except where one packet makes more.
  var copiesPerBurst = 192
  var rounds = 3
  var secondsPerRound = 1.0

  /// Costs at every fan-out, and delays at 16.
  func run() throws -> (costs: [Row], delays: [KernelLatencyBench.Row]) {
    guard geteuid() == 0 else { throw BenchFailure("the lanes are measured in network namespaces: run as root") }
    let hold = WakeupLatencyHold()
    defer { _ = hold.isHeld }
    let cleanup = Cleanup()
    defer { cleanup.run() }
    let signals = cleanup.watchSignals()
    defer { withExtendedLifetime(signals) {} }
    let pair = try NetworkPair(cleanup: cleanup)
    // A veth says that XDP can send by it only if GRO came on at its other end while both were up.
    for state in ["off", "on"] {
      try Shell.run("ip", "netns", "exec", pair.client, "ethtool", "-K", "peer0", "gro", state)
      try Shell.run("ip", "netns", "exec", pair.server, "ethtool", "-K", "eth0", "gro", state)
    }
    let costs = try fanouts.map { try measure(fanout: $0, pair) }
    return (costs, try KernelLatencyBench().run(pair))
  }

  static func table(_ rows: [Row]) -> String {
    var lines = [
      "sinks   " + Path.allCases.map { Columns.pad($0.rawValue + " ns", 14) }.joined()
        + "XDP vs sendmmsg  vs sendmsg  TC vs sendmmsg"
    ]
    for row in rows {
      let cost = { (path: Path) in row.nanosecondsPerCopy[path] ?? .nan }
      let ratio = { (a: Path, b: Path) in Columns.tenths(cost(a) / cost(b)) }
      lines.append(
        Columns.pad("\(row.fanout)", 8) + Path.allCases.map { Columns.pad("\(cost($0).rounded())", 14) }.joined()
          + Columns.pad(ratio(.sendmmsg, .xdp), 17) + Columns.pad(ratio(.sendmsg, .xdp), 12) + ratio(.sendmmsg, .tc))
    }
    return lines.joined(separator: "\n")
  }

  // MARK: One fan-out

  private func measure(fanout: Int, _ pair: NetworkPair) throws -> Row {
    guard let client = IPAddress(NetworkPair.clientAddress), let server = IPAddress(NetworkPair.serverAddress) else {
      throw BenchFailure("no addresses")
    }
    let sockets = try LaneScene.inside(pair.client) {
      try (0...fanout).map { _ in try LaneScene.openSocket(client, port: 0) }
    }
    defer { for socket in sockets { close(socket.0) } }
    let media = SocketAddress(server, 3479)
    let frame = FrameSender.frame(
      from: sockets[0].1, to: media, payload: FrameSender.stampedPacket(ssrc: LaneScene.publisherSSRC))
    let sender = try LaneScene.inside(pair.client) { try FrameSender(pair) }
    let drain = try LaneScene.inside(pair.client) { try FrameDrain(interface: "peer0") }
    let addresses = sockets.map(\.1)
    var costs: [Path: [ReceiverPlace: [Double]]] = [:]
    for _ in 0..<rounds {
      for path in Path.allCases {
        let send = { self.send(frame, by: sender, fanout, seconds: $0) }
        let found = try patiently {
          let subject = try LaneScene.inside(pair.server) {
            try path.start(media, addresses, cpu: ReceiverPlace.serverCPU)
          }
          defer { subject.stop() }
          for thread in Self.threads(subject, pair) { ThreadPlacement.raisePriority(of: thread) }
          return try ReceiverPlace.allCases.map { receivers in
            try receivers.arrange(pair, waits: true)
            return (receivers, try measure(subject, path, send, drain, pair, fanout))
          }
        }
        for (receivers, cost) in found { costs[path, default: [:]][receivers, default: []].append(cost) }
        Progress.note("\(fanout) sinks, \(path.rawValue): \(found.map { "\(Int($0.1)) ns" }.joined(separator: ", "))")
      }
    }
    return Row(
      fanout: fanout,
      nanosecondsPerCopy: costs.mapValues { $0.values.map { $0.sorted()[$0.count / 2] }.min() ?? .nan })
  }

  private func measure(
    _ subject: any KernelLaneSubject, _ path: Path, _ send: (_ seconds: Double) -> Int, _ drain: FrameDrain,
    _ pair: NetworkPair, _ fanout: Int
  ) throws -> Double {
    var patience = 20
    repeat {
      _ = send(0.3)
      patience -= 1
    } while !subject.isReady && patience > 0
    guard subject.isReady else { throw BenchFailure("\(path.rawValue), \(fanout) sinks: \(subject.state)") }
    let before = arrivals(drain)
    let ranBefore = processorTime(subject, pair)
    let sent = send(secondsPerRound)
    let arrived = arrivals(drain) - before
    let ran = processorTime(subject, pair) - ranBefore
    guard arrived * 100 > sent * fanout * 99 else {
      throw BenchFailure(
        "\(path.rawValue), \(fanout) sinks: of \(sent * fanout) copies \(arrived) arrived; \(subject.state)")
    }
    guard subject.isReady else { throw BenchFailure("\(path.rawValue), \(fanout) sinks: \(subject.state)") }
    return Double(ran) / Double(arrived)
  }

  /// A veth ring of copies, or nearly, every other millisecond, which all ways to forward can bear. Returns the packets sent.
  private func send(_ frame: [UInt8], by sender: FrameSender, _ fanout: Int, seconds: Double) -> Int {
    let placement = ThreadPlacement(cpu: ReceiverPlace.clientCPU, isUninterrupted: false)
    defer { placement.restore() }
    let burst = max(1, copiesPerBurst / fanout)
    let bursts = Int(seconds * 500)
    var next = Clock.now
    for _ in 0..<bursts {
      sender.send(repeatElement(frame, count: burst), isStamped: true)
      next = next.advanced(by: .milliseconds(2))
      let wait = next.since(Clock.now)
      if wait > .zero { Clock.sleep(wait) }
    }
    return bursts * burst
  }

  /// Copies that arrived, once what is on its way has.
  private func arrivals(_ drain: FrameDrain) -> Int {
    Clock.sleep(.milliseconds(50))
    return Int(drain.counts().reduce(0, +))
  }

  static func threads(_ subject: any KernelLaneSubject, _ pair: NetworkPair) -> [pid_t] {
    ProcessorTime.threads(named: subject.threadName) + pair.serverThreads
  }

  private func processorTime(_ subject: any KernelLaneSubject, _ pair: NetworkPair) -> UInt64 {
    Self.threads(subject, pair).reduce(0) { $0 + ProcessorTime.nanoseconds(ofThread: $1) }
  }
}
