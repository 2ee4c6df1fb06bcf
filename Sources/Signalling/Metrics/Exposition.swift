/// Writes metrics in the Prometheus text format, version 0.0.4.
struct Exposition {
  private(set) var text = ""

  enum Kind: String { case counter, gauge, histogram }

  /// One metric with its samples, each with its labels.
  mutating func metric(
    _ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: [(String, String)], value: UInt64)]
  ) {
    head(name, kind, help)
    for sample in samples { line(name, sample.labels, String(sample.value)) }
  }

  mutating func metric(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
    metric(name, kind, help, [(labels: [], value: value)])
  }

  /// `counts` are per bucket, not cumulative; the last is above every bound. Bounds and sum are in the metric's unit.
  mutating func histogram(_ name: String, _ help: String, bounds: [Double], counts: [UInt64], sum: Double) {
    head(name, .histogram, help)
    var total: UInt64 = 0
    for (bound, count) in zip(bounds, counts) {
      total &+= count
      line(name + "_bucket", [("le", number(bound))], String(total))
    }
    total = counts.reduce(0, &+)
    line(name + "_bucket", [("le", "+Inf")], String(total))
    line(name + "_sum", [], number(sum))
    line(name + "_count", [], String(total))
  }

  private mutating func head(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
    let list = labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",")
    text += list.isEmpty ? "\(name) \(value)\n" : "\(name){\(list)} \(value)\n"
  }

  private func number(_ value: Double) -> String {
    guard value.isFinite else { return value > 0 ? "+Inf" : "0" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
  }

  private func escaped(_ value: String) -> String {
    value.flatMap { character -> String in
      switch character {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      default: String(character)
      }
    }.map(String.init).joined()
  }
}
