import Glibc
import Wire

/// What was measured between two moments at which nothing was in flight.
struct WindowResult: Sendable {
  var seconds: Double
  /// Packets that the publishers sent.
  var sent: Int
  /// Subscribers that were connected when the window began.
  var subscribers: Int
  var received: Int
  /// By sequence numbers, in the window.
  var missing: Int
  var duplicates: Int
  var reordered: Int
  /// Datagrams for which the sockets here had no room: the client's own losses.
  var socketDrops: Int
  var keyFrameRequests: Int
  var nackedPackets: Int
  var undecryptable: Int
  /// Nanoseconds, sorted.
  var latencies: [UInt64]
  /// From `join` sent to the first media packet, nanoseconds, sorted; of all subscribers so far.
  var joinTimes: [UInt64]
  /// Processor time of this process over time.
  var clientLoad: Double

  /// What the subscribers together should have received.
  var expected: Int { sent * subscribers }
  var loss: Double { expected == 0 ? 0 : max(0, 1 - Double(received) / Double(expected)) }
}

/// Runs the measurement: pause until nothing is in flight, count for the duration, pause again, compare.
struct WindowMeter {
  enum Step { case beginMeasuring, finish }

  private enum State {
    case idle
    case clearing(until: Instant)
    case measuring(since: Instant)
    case draining(until: Instant, seconds: Double)
  }

  private struct Totals {
    var received = 0
    var missing = 0
    var duplicates = 0
    var reordered = 0
    var undecryptable = 0
    var sent = 0
    var keyFrameRequests = 0
    var nackedPackets = 0

    init() {}

    init(_ peers: [MediaPeer]) {
      for peer in peers {
        for stream in peer.reception?.streams ?? [] {
          received += stream.received
          missing += stream.missing
          duplicates += stream.duplicates
          reordered += stream.reordered
        }
        undecryptable += peer.reception?.undecryptable ?? 0
        sent += peer.publication?.sent ?? 0
        keyFrameRequests += peer.publication?.keyFrameRequests ?? 0
        nackedPackets += peer.publication?.nackedPackets ?? 0
      }
    }
  }

  private var state = State.idle
  private var counted: [MediaPeer] = []
  private var before = Totals()
  private var dropsBefore = 0
  private var processorBefore = 0.0
  private var latencies: [UInt64] = []

  /// When a media packet was read last.
  private var lastArrival: Instant = .zero

  /// Nothing is in flight when nothing has come for so long; an overloaded server may have much queued.
  private static let quiet = Interval.milliseconds(300)
  private static let longestPause = Interval.seconds(8)

  /// Whether publishing is to pause.
  var isPaused: Bool {
    switch state {
    case .clearing, .draining: true
    case .idle, .measuring: false
    }
  }

  mutating func begin(at now: Instant) {
    lastArrival = now
    state = .clearing(until: now.advanced(by: Self.longestPause))
  }

  mutating func end(at now: Instant) {
    guard case .measuring(let start) = state else { return }
    lastArrival = now
    state = .draining(until: now.advanced(by: Self.longestPause), seconds: now.since(start).seconds)
    processorBefore = Self.processorSeconds - processorBefore
  }

  /// Media was read.
  mutating func noteArrival(at now: Instant) { lastArrival = now }

  func due(at now: Instant) -> Step? {
    let isQuiet = now.since(lastArrival) > Self.quiet
    return switch state {
    case .clearing(let until) where isQuiet || now >= until: .beginMeasuring
    case .draining(let until, _) where isQuiet || now >= until: .finish
    default: nil
    }
  }

  mutating func start(_ peers: [MediaPeer], at now: Instant) {
    counted = peers.filter { $0.phase == .connected }
    before = Totals(counted)
    dropsBefore = Self.socketDrops
    processorBefore = Self.processorSeconds
    latencies = []
    latencies.reserveCapacity(1 << 18)
    state = .measuring(since: now)
  }

  mutating func record(_ latency: UInt64) {
    if case .idle = state { return }
    latencies.append(latency)
  }

  mutating func finish(_ peers: [MediaPeer]) -> WindowResult? {
    guard case .draining(_, let seconds) = state else { return nil }
    state = .idle
    let after = Totals(counted)
    return WindowResult(
      seconds: seconds, sent: after.sent - before.sent, subscribers: counted.count { $0.reception != nil },
      received: after.received - before.received, missing: after.missing - before.missing,
      duplicates: after.duplicates - before.duplicates, reordered: after.reordered - before.reordered,
      socketDrops: Self.socketDrops - dropsBefore, keyFrameRequests: after.keyFrameRequests - before.keyFrameRequests,
      nackedPackets: after.nackedPackets - before.nackedPackets,
      undecryptable: after.undecryptable - before.undecryptable, latencies: latencies.sorted(),
      joinTimes: peers.compactMap(Self.joinTime).sorted(), clientLoad: processorBefore / max(seconds, 0.001))
  }

  private static func joinTime(_ peer: MediaPeer) -> UInt64? {
    guard let first = peer.reception?.firstArrival, first > peer.description.joinSentAt else { return nil }
    return first - peer.description.joinSentAt
  }

  private static var processorSeconds: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// RcvbufErrors of UDP in this network namespace, IPv4 and IPv6.
  private static var socketDrops: Int {
    drops("/proc/self/net/snmp", "Udp:", "RcvbufErrors") + drops("/proc/self/net/snmp6", "Udp6RcvbufErrors", nil)
  }

  /// In snmp a line of names comes before the line of values; in snmp6 each line has a name and a value.
  private static func drops(_ path: String, _ prefix: String, _ column: String?) -> Int {
    let lines = (textFile(path) ?? "").split(separator: "\n").map {
      $0.split(separator: " ", omittingEmptySubsequences: true)
    }
    .filter { $0.first == Substring(prefix) }
    guard let column else { return lines.first?.dropFirst().first.flatMap { Int($0) } ?? 0 }
    guard lines.count >= 2, let place = lines[0].firstIndex(of: Substring(column)), place < lines[1].count else {
      return 0
    }
    return Int(lines[1][place]) ?? 0
  }
}

/// The text of a file of /proc or /sys; nil if it cannot be read.
func textFile(_ path: String) -> String? {
  guard let file = fopen(path, "r") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var part = [UInt8](repeating: 0, count: 4096)
  while case let count = fread(&part, 1, part.count, file), count > 0 { bytes += part.prefix(count) }
  return String(decoding: bytes, as: UTF8.self)
}
