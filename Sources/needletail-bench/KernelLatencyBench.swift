import Glibc
import Wire

/// How long clear RTP is on its way: from the publisher's send to the arrival of each copy at the receivers' network
/// interface, by XDP and by the plain sendmsg loop, in turns within one run. The load is that of some publishers' video,
/// which the loop bears with a quarter of its processor: pictures of several packets, sent at once, at random moments. Idle
/// processors are kept from sleeping deeply. Of each way the better `ReceiverPlace` counts.
struct KernelLatencyBench {
  struct Row {
    var path: KernelLaneBench.Path
    var copies: UInt64
    var lost: UInt64
    /// Nanoseconds.
    var median: UInt64
    var p99: UInt64
  }

  var receivers = 16
  var packetsPerPicture = 5
  var picturesPerSecond = 1000
  var rounds = 2
  var secondsPerRound = 2

  /// By each way in each round.
  private var copiesSent: UInt64 { UInt64(picturesPerSecond * secondsPerRound * packetsPerPicture * receivers) }

  func run(_ pair: NetworkPair) throws -> [Row] {
    guard let client = IPAddress(NetworkPair.clientAddress), let server = IPAddress(NetworkPair.serverAddress) else {
      throw BenchFailure("no addresses")
    }
    let sockets = try LaneScene.inside(pair.client) {
      try (0...receivers).map { _ in try LaneScene.openSocket(client, port: 0) }
    }
    defer { for socket in sockets { close(socket.0) } }
    let media = SocketAddress(server, 3479)
    let addresses = sockets.map(\.1)
    let frame = FrameSender.frame(
      from: addresses[0], to: media, payload: FrameSender.stampedPacket(ssrc: LaneScene.publisherSSRC))
    let sender = try LaneScene.inside(pair.client) { try FrameSender(pair) }
    try pair.coalesce(NetworkPair.senderFarEnd, packets: 0, nanoseconds: 0)
    var delays: [KernelLaneBench.Path: [ReceiverPlace: [UInt64]]] = [:]
    for _ in 0..<rounds {
      for path in [KernelLaneBench.Path.xdp, .sendmsg] {
        let found = try patiently {
          let subject = try LaneScene.inside(pair.server) {
            try path.start(media, addresses, cpu: ReceiverPlace.serverCPU)
          }
          defer { subject.stop() }
          for thread in KernelLaneBench.threads(subject, pair) { ThreadPlacement.raisePriority(of: thread) }
          return try ReceiverPlace.allCases.map { receivers in
            try receivers.arrange(pair, waits: false)
            return (receivers, try measure(subject, path, pair) { send(frame, by: sender, pictures: $0) })
          }
        }
        for (receivers, counts) in found {
          let before = delays[path]?[receivers] ?? counts.map { _ in 0 }
          delays[path, default: [:]][receivers] = zip(before, counts).map { $0 + $1 }
        }
      }
    }
    return delays.compactMap { path, places in
      places.values.map { row(path, $0) }.min { $0.p99 < $1.p99 }
    }.sorted { $0.median < $1.median }
  }

  private func row(_ path: KernelLaneBench.Path, _ counts: [UInt64]) -> Row {
    let copies = counts.reduce(0, +)
    return Row(
      path: path, copies: copies, lost: Self.difference(copiesSent * UInt64(rounds), copies),
      median: FrameDrain.delay(counts, share: 0.5), p99: FrameDrain.delay(counts, share: 0.99))
  }

  private static func difference(_ a: UInt64, _ b: UInt64) -> UInt64 { a > b ? a - b : 0 }

  static func table(_ rows: [Row]) -> String {
    var lines = ["way to forward   copies   lost %   median us   p99 us"]
    for row in rows {
      lines.append(
        Columns.pad(row.path.rawValue, 17) + Columns.pad("\(row.copies)", 9)
          + Columns.pad(Columns.hundredths(100 * Double(row.lost) / Double(row.copies + row.lost)), 9)
          + Columns.pad(Columns.tenths(Double(row.median) / 1000), 12) + Columns.tenths(Double(row.p99) / 1000))
    }
    if let first = rows.first, let last = rows.last, first.p99 > 0 {
      lines.append(
        "p99 \(first.path.rawValue) / \(last.path.rawValue): "
          + Columns.hundredths(Double(first.p99) / Double(last.p99)))
    }
    return lines.joined(separator: "\n")
  }

  // MARK: One way

  /// Copies by their delay (`FrameDrain.counts`).
  private func measure(
    _ subject: any KernelLaneSubject, _ path: KernelLaneBench.Path, _ pair: NetworkPair,
    _ send: (_ pictures: Int) -> Void
  ) throws -> [UInt64] {
    let placement = ThreadPlacement(cpu: ReceiverPlace.clientCPU, isUninterrupted: false)
    defer { placement.restore() }
    var patience = 20
    repeat {
      send(picturesPerSecond / 3)
      patience -= 1
    } while !subject.isReady && patience > 0
    guard subject.isReady else { throw BenchFailure("\(path.rawValue): \(subject.state)") }
    // What was sent so far has arrived.
    Clock.sleep(.milliseconds(50))
    let drain = try LaneScene.inside(pair.client) { try FrameDrain(interface: "peer0") }
    send(picturesPerSecond * secondsPerRound)
    Clock.sleep(.milliseconds(50))
    let counts = drain.counts()
    guard counts.reduce(0, +) > copiesSent / 100 * 95 else {
      throw BenchFailure("\(path.rawValue): of \(copiesSent) copies \(counts.reduce(0, +)) arrived")
    }
    guard subject.isReady else { throw BenchFailure("\(path.rawValue): \(subject.state)") }
    return counts
  }

  private func send(_ frame: [UInt8], by sender: FrameSender, pictures: Int) {
    var moments = Moments(perSecond: Double(picturesPerSecond))
    var next = Clock.now
    for _ in 0..<pictures {
      next = next.advanced(by: moments.next())
      let wait = next.since(Clock.now)
      if wait > .zero { Clock.sleep(wait) }
      for _ in 0..<packetsPerPicture { sender.send(CollectionOfOne(frame), isStamped: true) }
    }
  }

  /// Random moments (a Poisson process), the same in every turn.
  private struct Moments {
    let perSecond: Double
    private var state: UInt64 = 1

    init(perSecond: Double) { self.perSecond = perSecond }

    /// The time until the next.
    mutating func next() -> Interval {
      // A linear congruential generator (Knuth's MMIX).
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let share = Double(state >> 11) / Double(1 << 53 as UInt64)
      return Interval(nanoseconds: UInt64(-log(1 - share) / perSecond * 1e9))
    }
  }
}
