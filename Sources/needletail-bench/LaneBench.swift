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
struct LaneBench {
  var receivers = 16
  var payloadLength = 1188
  /// Packets that come at once, as the packets of a video frame do, and how often: some 50 videos of 1.2 Mbit/s. Their
  /// copies are fewer than a veth ring holds. Where the plain loop does not keep up, half as often, and so on.
  var burst = 12
  var burstsPerSecond = 500
  /// Turns of each lane; the medians count.
  var rounds = 5
  var secondsPerRound = 1.0

  enum Path: String, CaseIterable { case xsk, socket, reference }

  struct Row {
    var profile: SRTPProfile
    var path: Path
    /// Median of processor time.
    var nanosecondsPerCopy: Double
    /// How many times cheaper than the reference.
    var ratio: Double
    /// Copies sent by other than the lane measured, of all.
    var strayCopies: Double
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
    var lines = ["profile              lane       ns CPU/copy  times cheaper than sendmsg + libsrtp  stray copies"]
    for row in rows {
      lines.append(
        Columns.pad("\(row.profile)", 21) + Columns.pad(row.path.rawValue, 11)
          + Columns.pad("\(Int(row.nanosecondsPerCopy.rounded()))", 13)
          + Columns.pad(Columns.tenths(row.ratio), 36) + Columns.tenths(row.strayCopies * 100) + " %")
    }
    return lines.joined(separator: "\n")
  }

  // MARK: One profile

  private func measure(_ profile: SRTPProfile, _ pair: NetworkPair) throws -> [Row] {
    let scene = try LaneScene(profile, receivers: receivers, pair: pair)
    var costs: [Path: [ReceiverPlace: [Double]]] = [:]
    var strays: [Path: Double] = [:]
    for _ in 0..<rounds {
      for path in Path.allCases {
        let found = try patiently { try measureOnce(path, scene) }
        for (place, turn) in zip(ReceiverPlace.allCases, found) {
          costs[path, default: [:]][place, default: []].append(turn.nanosecondsPerCopy)
          strays[path] = max(strays[path] ?? 0, turn.strayCopies)
        }
        let noted = found.map { "\(Int($0.nanosecondsPerCopy)) ns" }.joined(separator: ", ")
        Progress.note("\(profile), \(path.rawValue): \(noted)")
      }
    }
    let cost = { (path: Path) in costs[path]?.values.map(Self.median).min() ?? .nan }
    return Path.allCases.map { path in
      Row(
        profile: profile, path: path, nanosecondsPerCopy: cost(path), ratio: cost(.reference) / cost(path),
        strayCopies: strays[path] ?? 0)
    }
  }

  private struct Turn {
    var nanosecondsPerCopy: Double
    var strayCopies: Double
  }

  /// One start of what forwards, with the receivers' end in each place in turn.
  private func measureOnce(_ path: Path, _ scene: LaneScene) throws -> [Turn] {
    let warmUp = Int(0.7 * Double(burstsPerSecond)) * burst
    let measured = Int(secondsPerRound * Double(burstsPerSecond)) * burst
    let places = ReceiverPlace.allCases
    var frames = try scene.frames(count: places.count * (warmUp + measured), payloadLength: payloadLength)[...]
    let forwarder = try scene.start(path, cpu: ReceiverPlace.serverCPU)
    defer { forwarder.stop() }
    scene.raisePriority(of: forwarder)
    let send = { (count: Int) in
      let pause = Interval(nanoseconds: 1_000_000_000 / UInt64(burstsPerSecond))
      scene.send(frames.prefix(count), burst: burst, pause: pause, cpu: ReceiverPlace.clientCPU)
      frames = frames.dropFirst(count)
    }
    return try places.map { place in
      try scene.arrange(place)
      send(warmUp)
      let before = settled(forwarder.counts)
      let arrivedBefore = scene.arrivals
      let ranBefore = scene.processorTime(of: forwarder)
      send(measured)
      let after = settled(forwarder.counts)
      // Only now: what waited in a socket's buffer is forwarded, and counted, after the last was sent.
      let ran = scene.processorTime(of: forwarder) - ranBefore
      let arrived = scene.arrivals - arrivedBefore
      let copies = after.all - before.all
      guard copies >= UInt64(measured * receivers) / 10, arrived * 100 > copies * 99 else {
        throw Overload(
          description: "\(path.rawValue): of \(measured * receivers) copies \(copies) were sent and \(arrived) arrived")
      }
      let strays = copies - (after.wanted - before.wanted)
      return Turn(
        nanosecondsPerCopy: Double(ran) / Double(arrived), strayCopies: Double(strays) / Double(copies))
    }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
  }
}
