import CSRTP
import CXDP
import FastPath
import Forwarding
import Glibc
import SRTP
import Wire

/// What one copy costs on each lane, network included: one publisher's packets to 16 receivers over veth, by the fast
/// path on the xsk lane, on the socket lane, and by a plain loop (recvfrom, libsrtp, sendto) in turns within one run.
///
/// Counted is the processor time of the thread that forwards and of the NAPI thread that feeds it. Sender and receivers
/// run on the other processor and are not counted.
struct LaneBench {
  var receivers = 16
  var payloadLength = 1188
  /// Packets that come at once, as the packets of a video frame do, and how often: some 60 videos of 1.5 Mbit/s. The plain
  /// loop may not keep up; what it forwards is what counts.
  var burst = 16
  var burstsPerSecond = 600
  /// Turns of each lane; the medians count.
  var rounds = 5
  var secondsPerRound = 1.0

  enum Path: String, CaseIterable { case xsk, socket, reference }

  struct Row {
    var profile: SRTPProfile
    var path: Path
    /// Median of processor time.
    var nanosecondsPerCopy: Double
    /// How many times cheaper than the reference: median of the rounds, in each of which both ran.
    var ratio: Double
    /// Copies sent by other than the lane measured, of all.
    var strayCopies: Double
  }

  private static let serverCPU = 0
  private static let clientCPU = 1

  /// Runs everything: profiles × lanes. Needs root and two processors.
  func run() throws -> [Row] {
    guard geteuid() == 0 else { throw BenchFailure("the lanes are measured in network namespaces: run as root") }
    let cleanup = Cleanup()
    defer { cleanup.run() }
    let signals = cleanup.watchSignals()
    defer { withExtendedLifetime(signals) {} }
    let pair = try NetworkPair(cleanup: cleanup)
    try pair.pinThreads(serverCPU: Self.serverCPU, clientCPU: Self.clientCPU)
    // Otherwise each copy wakes a thread on the other processor at the sender's expense, which no network card does.
    try pair.coalesce("peer0", packets: 1000, nanoseconds: 50_000)
    var rows: [Row] = []
    for profile in [SRTPProfile.aeadAES128GCM, .aes128CMHMACSHA180] { rows += try measure(profile, pair) }
    return rows
  }

  static func table(_ rows: [Row]) -> String {
    var lines = ["profile              lane       ns CPU/copy  times cheaper than sendto + libsrtp  stray copies"]
    for row in rows {
      lines.append(
        Columns.pad("\(row.profile)", 21) + Columns.pad(row.path.rawValue, 11)
          + Columns.pad("\(Int(row.nanosecondsPerCopy.rounded()))", 13)
          + Columns.pad(Columns.tenths(row.ratio), 35) + Columns.tenths(row.strayCopies * 100) + " %")
    }
    return lines.joined(separator: "\n")
  }

  // MARK: One profile

  private func measure(_ profile: SRTPProfile, _ pair: NetworkPair) throws -> [Row] {
    let scene = try LaneScene(profile, receivers: receivers, pair: pair)
    var costs: [Path: [Double]] = [:]
    var strays: [Path: Double] = [:]
    for _ in 0..<rounds {
      for path in Path.allCases {
        let turn = try measureOnce(path, scene)
        Progress.note("\(profile), \(path.rawValue): \(Int(turn.nanosecondsPerCopy)) ns")
        costs[path, default: []].append(turn.nanosecondsPerCopy)
        strays[path] = max(strays[path] ?? 0, turn.strayCopies)
      }
    }
    let reference = costs[.reference] ?? []
    return Path.allCases.map { path in
      let own = costs[path] ?? []
      return Row(
        profile: profile, path: path, nanosecondsPerCopy: Self.median(own),
        ratio: Self.median(zip(reference, own).map { $0 / $1 }), strayCopies: strays[path] ?? 0)
    }
  }

  private func measureOnce(_ path: Path, _ scene: LaneScene) throws -> (nanosecondsPerCopy: Double, strayCopies: Double)
  {
    let warmUp = 0.7
    let bursts = Int(secondsPerRound * Double(burstsPerSecond))
    let frames = try scene.frames(
      count: (Int(warmUp * Double(burstsPerSecond)) + bursts) * burst, payloadLength: payloadLength)
    let forwarder = try scene.start(path, cpu: Self.serverCPU)
    defer { forwarder.stop() }
    scene.raisePriority(of: forwarder)
    let pause = Interval(nanoseconds: 1_000_000_000 / UInt64(burstsPerSecond))
    let warm = frames.count - bursts * burst
    scene.send(frames[..<warm], burst: burst, pause: pause, cpu: Self.clientCPU)
    let before = settled(forwarder.counts)
    let ranBefore = scene.processorTime(of: forwarder)
    scene.send(frames[warm...], burst: burst, pause: pause, cpu: Self.clientCPU)
    let after = settled(forwarder.counts)
    // Only now: what waited in a socket's buffer is forwarded, and counted, after the last was sent.
    let ran = scene.processorTime(of: forwarder) - ranBefore
    let copies = after.all - before.all
    guard copies >= UInt64(bursts * burst * receivers) / 10 else {
      throw BenchFailure("\(path.rawValue): only \(copies) of \(bursts * burst * receivers) copies were sent")
    }
    let strays = copies - (after.wanted - before.wanted)
    return (Double(ran) / Double(copies), Double(strays) / Double(copies))
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
  }
}
