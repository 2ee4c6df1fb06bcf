import CSRTP
import CXDP
import FastPath
import Forwarding
import Glibc
import SRTP
import Wire

/// What one copy costs on each lane, network included: one publisher's packets to 16 receivers over veth, by the fast
/// path on the xsk lane, on the socket lane, and by a plain loop (recv, libsrtp, sendmsg) in turns within one run.
///
/// Counted is the processor time of the thread that forwards and of the NAPI thread that feeds it. Sender and receivers
/// are not counted. Of each way the better `ReceiverPlace` counts. A copy counts once it arrived at the receivers'
/// interface. Idle processors are kept from sleeping deeply.
///
/// Each way is measured twice: under the same load as the others, and under the load that keeps its processor half busy.
/// The first is what a call costs; the second, where what comes together shares more of the work, decides how many copies
/// a processor carries.
struct LaneBench {
  var receivers = 16
  var payloadLength = 1188
  /// Packets that come at once, as the packets of a video frame do. Their copies are fewer than a veth ring holds.
  var burst = 12
  /// The same load: some 50 videos of 1.2 Mbit/s. Where the plain loop does not keep up, half of it, and so on.
  var burstsPerSecond = 500
  /// Turns of each lane; the medians count.
  var rounds = 5
  var secondsPerRound = 1.0

  enum Path: String, CaseIterable {
    case xsk, socket, reference

    fileprivate var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
  }

  struct Row {
    var profile: SRTPProfile
    var path: Path
    /// Medians of processor time.
    var cost: Cost
    /// How many times cheaper than the reference.
    var ratio: Cost
    /// Copies sent by other than the lane measured, of all.
    var strayCopies: Double
  }

  /// One figure for each load.
  struct Cost {
    var underSameLoad: Double
    var halfBusy: Double
  }

  /// Runs everything: profiles × lanes. Needs root and two processors.
  func run() throws -> [Row] {
    guard geteuid() == 0 else { throw BenchFailure("the lanes are measured in network namespaces: run as root") }
    let hold = WakeupLatencyHold()
    defer { _ = hold.isHeld }
    let cleanup = Cleanup()
    defer { cleanup.run() }
    let signals = cleanup.watchSignals()
    defer { withExtendedLifetime(signals) {} }
    let pair = try NetworkPair(cleanup: cleanup)
    var rows: [Row] = []
    for profile in [SRTPProfile.aeadAES128GCM, .aes128CMHMACSHA180] { rows += try measureBearably(profile, pair) }
    return rows
  }

  private static let fewestBurstsPerSecond = 60

  private func measureBearably(_ profile: SRTPProfile, _ pair: NetworkPair) throws -> [Row] {
    do { return try measure(profile, pair) } catch let failure as Overload {
      guard burstsPerSecond / 2 >= Self.fewestBurstsPerSecond else { throw BenchFailure(failure.description) }
      var gentler = self
      gentler.burstsPerSecond /= 2
      Progress.note("too much for this machine: again with \(gentler.burstsPerSecond) bursts per second")
      return try gentler.measureBearably(profile, pair)
    }
  }

  private struct Overload: Error, CustomStringConvertible { let description: String }

  static func table(_ rows: [Row]) -> String {
    var lines = [
      "                                ns CPU per copy          times cheaper than sendmsg + libsrtp",
      "profile              lane       same load   half busy    same load   half busy    stray copies",
    ]
    for row in rows {
      let cells =
        [row.cost.underSameLoad, row.cost.halfBusy].map { "\(Int($0.rounded()))" }
        + [row.ratio.underSameLoad, row.ratio.halfBusy].map(Columns.tenths)
      let columns = zip(cells, [12, 13, 12, 13]).map { Columns.pad($0, $1) }.joined()
      lines.append(
        Columns.pad("\(row.profile)", 21) + Columns.pad(row.path.rawValue, 11) + columns
          + Columns.tenths(row.strayCopies * 100) + " %")
    }
    return lines.joined(separator: "\n")
  }

  // MARK: One profile

  private func measure(_ profile: SRTPProfile, _ pair: NetworkPair) throws -> [Row] {
    let scene = try LaneScene(profile, receivers: receivers, pair: pair)
    var turns: [Path: [[Turn]]] = [:]
    for _ in 0..<rounds {
      for path in Path.allCases {
        let found = try patiently { try measureOnce(path, scene) }
        turns[path, default: []].append(found)
        let noted = found.map { "\(Int($0.cost.underSameLoad)) and \(Int($0.cost.halfBusy)) ns" }
        Progress.note("\(profile), \(path.rawValue): \(noted.joined(separator: ", "))")
      }
    }
    let costs = turns.mapValues { turns in
      Cost(
        underSameLoad: Self.bestPlace(turns) { $0.cost.underSameLoad },
        halfBusy: Self.bestPlace(turns) { $0.cost.halfBusy })
    }
    guard let reference = costs[.reference] else { return [] }
    return costs.sorted { $0.key.order < $1.key.order }.map { path, cost in
      Row(
        profile: profile, path: path, cost: cost,
        ratio: Cost(
          underSameLoad: reference.underSameLoad / cost.underSameLoad, halfBusy: reference.halfBusy / cost.halfBusy),
        strayCopies: turns[path]?.joined().map(\.strayCopies).max() ?? 0)
    }
  }

  /// What was found in one `ReceiverPlace`.
  private struct Turn {
    var cost: Cost
    var strayCopies: Double
  }

  /// The median of the place where it is lower. `turns` has one for each place.
  private static func bestPlace(_ turns: [[Turn]], _ figure: (Turn) -> Double) -> Double {
    ReceiverPlace.allCases.indices.map { place in median(turns.map { figure($0[place]) }) }.min() ?? .nan
  }

  /// One start of what forwards, with the receivers' end in each place in turn.
  private func measureOnce(_ path: Path, _ scene: LaneScene) throws -> [Turn] {
    let forwarder = try scene.start(path, cpu: ReceiverPlace.serverCPU)
    defer { forwarder.stop() }
    scene.raisePriority(of: forwarder)
    var publisher = try scene.publisher(payloadLength: payloadLength)
    return try ReceiverPlace.allCases.map { place in
      try scene.arrange(place)
      send(try publisher.frames(Int(0.7 * Double(burstsPerSecond)) * burst), burstsPerSecond, scene)
      let usual = try cost(path, forwarder, burstsPerSecond, publisher: &publisher, scene)
      let busyRate = min(
        Self.mostBurstsPerSecond, Int(0.5e9 / (usual.nanosecondsPerCopy * Double(burst * receivers))))
      let busy = try cost(path, forwarder, max(busyRate, 1), publisher: &publisher, scene)
      return Turn(
        cost: Cost(underSameLoad: usual.nanosecondsPerCopy, halfBusy: busy.nanosecondsPerCopy),
        strayCopies: max(usual.strayCopies, busy.strayCopies))
    }
  }

  /// What the sender makes in time.
  private static let mostBurstsPerSecond = 2500

  private func send(_ frames: [[UInt8]], _ burstsPerSecond: Int, _ scene: LaneScene) {
    let pause = Interval(nanoseconds: 1_000_000_000 / UInt64(burstsPerSecond))
    scene.send(frames[...], burst: burst, pause: pause, cpu: ReceiverPlace.clientCPU)
  }

  private func cost(
    _ path: Path, _ forwarder: any LaneUnderTest, _ burstsPerSecond: Int, publisher: inout LaneScene.Publisher,
    _ scene: LaneScene
  ) throws -> (nanosecondsPerCopy: Double, strayCopies: Double) {
    let frames = try publisher.frames(Int(secondsPerRound * Double(burstsPerSecond)) * burst)
    let expected = frames.count * receivers
    let before = settled(forwarder.counts)
    let arrivedBefore = scene.arrivals
    let ranBefore = scene.processorTime(of: forwarder)
    send(frames, burstsPerSecond, scene)
    let after = settled(forwarder.counts)
    // Only now: what waited in a socket's buffer is forwarded, and counted, after the last was sent.
    let ran = scene.processorTime(of: forwarder) - ranBefore
    let arrived = scene.arrivals - arrivedBefore
    let copies = after.all - before.all
    guard copies >= UInt64(expected) / 10, arrived * 100 > copies * 99 else {
      throw Overload(description: "\(path.rawValue): of \(expected) copies \(copies) were sent and \(arrived) arrived")
    }
    let strays = copies - (after.wanted - before.wanted)
    return (Double(ran) / Double(arrived), Double(strays) / Double(copies))
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
  }
}
