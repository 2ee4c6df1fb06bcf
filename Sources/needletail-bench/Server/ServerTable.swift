import Foundation

/// The results of the server benchmark, for people and programs.
enum ServerTable {
  static func json(_ rows: [ServerBench.Row]) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(rows)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
  }

  static func text(_ rows: [ServerBench.Row]) -> String {
    var table = TextTable([
      "subscribers", "lane", "µs/packet", "ref", "ratio", "CPU %", "ref", "loss %", "ref", "p99 ms", "ref", "join ms",
      "kB each",
    ])
    for row in rows {
      let (server, reference) = (row.server, row.reference)
      func ref(_ value: (ServerBench.Measurement) -> Double?, _ places: Int) -> String {
        reference.flatMap(value).map { $0.rounded(places) } ?? "-"
      }
      table.add([
        "\(row.subscribers)", row.lane, server.microsecondsPerPacket.rounded(2), ref({ $0.microsecondsPerPacket }, 2),
        row.ratio.map { $0.rounded(1) } ?? "-", (100 * server.processors).rounded(0), ref({ 100 * $0.processors }, 0),
        server.load.lossPercent.rounded(2), ref({ $0.load.lossPercent }, 2),
        server.load.latencyMilliseconds.map { $0.p99.rounded(2) } ?? "-",
        ref({ $0.load.latencyMilliseconds?.p99 }, 2), server.load.joinMilliseconds.map { $0.median.rounded(0) } ?? "-",
        row.kilobytesPerParticipant.rounded(0),
      ])
    }
    return ([table.text] + remarks(rows)).joined(separator: "\n")
  }

  /// What copies cost and how many one core could make at that cost, for `all`. The load itself is far below it.
  static func capacity(_ rows: [ServerBench.Row]) -> String {
    var table = TextTable(["sinks", "ns/copy", "copies/s (computed)", "ref ns/copy", "ratio", "kB per participant"])
    for row in rows {
      let nanoseconds = row.server.microsecondsPerPacket * 1000
      table.add([
        "\(row.subscribers)", nanoseconds.rounded(0), (1e9 / nanoseconds).rounded(0),
        row.reference.map { ($0.microsecondsPerPacket * 1000).rounded(0) } ?? "-",
        row.ratio.map { $0.rounded(1) } ?? "-",
        row.kilobytesPerParticipant.rounded(0),
      ])
    }
    return table.text
  }

  private static func remarks(_ rows: [ServerBench.Row]) -> [String] {
    rows.flatMap { row -> [String] in
      var remarks: [String] = []
      for (name, measurement) in [("server", row.server), ("reference", row.reference)] {
        guard let load = measurement?.load else { continue }
        if load.receiving < load.subscribers {
          remarks.append("\(row.subscribers), \(name): only \(load.receiving) of \(load.subscribers) received media")
        }
        if load.clientProcessors > 0.9 {
          remarks.append(
            "\(row.subscribers), \(name): the load client used \(load.clientProcessors.rounded(2)) of its CPU; loss and latency may be its own"
          )
        }
        if load.clientSocketDrops > 0 {
          remarks.append(
            "\(row.subscribers), \(name): \(load.clientSocketDrops) packets lost at the client's own sockets")
        }
        for (text, count) in load.complaints.sorted(by: { $0.value > $1.value }).prefix(3) {
          remarks.append("\(row.subscribers), \(name): \(text) (\(count) times)")
        }
      }
      return remarks
    }
  }
}

/// Columns of text, numbers to the right.
struct TextTable {
  private var rows: [[String]]

  init(_ head: [String]) { rows = [head] }

  mutating func add(_ row: [String]) { rows.append(row) }

  var text: String {
    let widths = (rows.first ?? []).indices.map { column in
      rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      zip(row, widths).map { String(repeating: " ", count: max(0, $1 - $0.count)) + $0 }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
