import Foundation

/// What a load run found, for people and programs.
struct LoadReport: Codable {
  struct Latency: Codable {
    var p50: Double
    var p95: Double
    var p99: Double
    var max: Double
    var samples: Int
    var receivers: Int
  }

  struct JoinTime: Codable {
    var median: Double
    var p95: Double
    var max: Double
  }

  var url: String
  var publishers: Int
  var subscribers: Int
  var joined: Int
  var publishersConnected: Int
  var subscribersConnected: Int
  var receiving: Int
  var seconds: Double
  var sentPackets: Int
  var expectedPackets: Int
  var receivedPackets: Int
  var receivedPacketsPerSecond: Double
  /// Percent of the packets that the connected subscribers should have received.
  var lossPercent: Double
  var missingSequenceNumbers: Int
  var duplicates: Int
  var reordered: Int
  var undecryptable: Int
  /// Lost at this client's own sockets.
  var clientSocketDrops: Int
  /// Processors that the client kept busy, for all its threads.
  var clientProcessors: Double
  var keyFrameRequests: Int
  var nackedPackets: Int
  /// Milliseconds; missing if nothing was sampled.
  var latencyMilliseconds: Latency?
  /// Milliseconds from `join` sent to the first media packet.
  var joinMilliseconds: JoinTime?
  var complaints: [String: Int]

  init(_ command: LoadCommand, _ result: WindowResult, _ state: LoadProgress.State) {
    url = command.url
    publishers = command.publishers
    subscribers = command.subscribers
    joined = state.joined
    publishersConnected = state.publishersConnected
    subscribersConnected = state.subscribersConnected
    receiving = state.receiving
    seconds = result.seconds
    sentPackets = result.sent
    expectedPackets = result.expected
    receivedPackets = result.received
    receivedPacketsPerSecond = Double(result.received) / max(result.seconds, 0.001)
    lossPercent = 100 * result.loss
    missingSequenceNumbers = result.missing
    duplicates = result.duplicates
    reordered = result.reordered
    undecryptable = result.undecryptable
    clientSocketDrops = result.socketDrops
    clientProcessors = result.clientLoad
    keyFrameRequests = result.keyFrameRequests
    nackedPackets = result.nackedPackets
    complaints = state.complaints
    func latency(_ q: Double) -> Double { Quantile.of(result.latencies, q) / 1e6 }
    if !result.latencies.isEmpty {
      latencyMilliseconds = Latency(
        p50: latency(0.5), p95: latency(0.95), p99: latency(0.99), max: latency(1), samples: result.latencies.count,
        receivers: min(command.sample, command.subscribers))
    }
    func join(_ q: Double) -> Double { Quantile.of(result.joinTimes, q) / 1e6 }
    if !result.joinTimes.isEmpty {
      joinMilliseconds = JoinTime(median: join(0.5), p95: join(0.95), max: join(1))
    }
  }

  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  var table: String {
    var rows: [(String, String)] = [
      ("joined", "\(joined) of \(publishers + subscribers)"),
      (
        "connected",
        "\(publishersConnected) of \(publishers) publishers, \(subscribersConnected) of \(subscribers) subscribers"
      ),
      ("receiving", "\(receiving) of \(subscribers) subscribers"),
      ("received", "\(receivedPacketsPerSecond.rounded(1)) packets/s over \(seconds.rounded(1)) s"),
      (
        "lost",
        "\(lossPercent.rounded(3)) % (\(max(0, expectedPackets - receivedPackets)) of \(expectedPackets) packets)"
      ),
    ]
    if let latency = latencyMilliseconds {
      let (p50, p95, p99, max) = (latency.p50, latency.p95, latency.p99, latency.max)
      rows.append(
        ("latency", "p50 \(p50.rounded(2))  p95 \(p95.rounded(2))  p99 \(p99.rounded(2))  max \(max.rounded(2)) ms"))
      rows.append(("", "of \(latency.samples) packets at \(latency.receivers) receivers"))
    }
    if let join = joinMilliseconds {
      rows.append(
        (
          "join",
          "median \(join.median.rounded(1))  p95 \(join.p95.rounded(1))  max \(join.max.rounded(1)) ms to the first packet"
        ))
    }
    rows.append(
      (
        "client",
        "\(clientProcessors.rounded(2)) processors busy, \(clientSocketDrops) datagrams lost at its own sockets"
      ))
    if duplicates + reordered + undecryptable > 0 {
      rows.append(("oddities", "\(duplicates) duplicates, \(reordered) reordered, \(undecryptable) undecryptable"))
    }
    for (text, count) in complaints.sorted(by: { $0.value > $1.value }).prefix(10) {
      rows.append(("complaint", count > 1 ? "\(text) (\(count) times)" : text))
    }
    return rows.map { $0.0.padding(toLength: 12, withPad: " ", startingAt: 0) + $0.1 }.joined(separator: "\n")
  }
}

/// Quantiles of sorted values.
enum Quantile {
  /// NaN if there are none.
  static func of<T: BinaryInteger>(_ sorted: [T], _ q: Double) -> Double {
    guard let last = sorted.last else { return .nan }
    let place = Int(q * Double(sorted.count))
    return Double(place < sorted.count ? sorted[place] : last)
  }
}

extension Double {
  /// With `places` decimals.
  func rounded(_ places: Int) -> String { isFinite ? String(format: "%.\(places)f", self) : "-" }
}
