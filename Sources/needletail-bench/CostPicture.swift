/// What a copy of clear RTP costs by each way and fan-out, as bars (SVG).
enum CostPicture {
  private static let width = 720
  private static let height = 340
  private static let left = 56
  private static let bottom = 280
  private static let top = 48
  private static let colours: [KernelLaneBench.Path: String] = [
    .xdp: "#2f7d4f", .tc: "#7fb069", .sendmmsg: "#d9a05b", .sendmsg: "#b5523b",
  ]

  static func svg(_ rows: [KernelLaneBench.Row]) -> String {
    let highest = rows.flatMap(\.nanosecondsPerCopy.values).max() ?? 1
    // A round number of microseconds above the highest bar.
    let limit = (highest / 1000).rounded(.up) * 1000
    var parts = [
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \(width) \(height)' font-family='sans-serif' "
        + "font-size='12'>",
      "<rect width='100%' height='100%' fill='white'/>",
      "<text x='\(left)' y='20' font-size='14'>Processor time per forwarded copy of 1200 bytes of clear RTP, over "
        + "veth (ns)</text>",
    ]
    parts += axis(limit)
    for (i, row) in rows.enumerated() { parts += group(row, i, of: rows.count, limit: limit) }
    parts += legend()
    return (parts + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  private static func axis(_ limit: Double) -> [String] {
    stride(from: 0, through: limit, by: 1000).flatMap { value in
      let y = height(of: value, limit)
      return [
        "<line x1='\(left)' x2='\(width - 16)' y1='\(y)' y2='\(y)' stroke='#ddd'/>",
        "<text x='\(left - 6)' y='\(y + 4)' text-anchor='end'>\(Int(value))</text>",
      ]
    }
  }

  private static func group(_ row: KernelLaneBench.Row, _ index: Int, of count: Int, limit: Double) -> [String] {
    let room = (width - left - 16) / max(1, count)
    let bar = room / 6
    let start = left + index * room + bar
    var parts: [String] = []
    for (i, path) in KernelLaneBench.Path.allCases.enumerated() {
      guard let value = row.nanosecondsPerCopy[path], let colour = colours[path] else { continue }
      let y = height(of: value, limit)
      parts.append(
        "<rect x='\(start + i * bar)' y='\(y)' width='\(bar - 2)' height='\(bottom - y)' fill='\(colour)'/>")
      parts.append(
        "<text x='\(start + i * bar + bar / 2 - 1)' y='\(y - 3)' font-size='9' text-anchor='middle'>"
          + "\(Int(value.rounded()))</text>")
    }
    let name = row.fanout == 1 ? "1 sink" : "\(row.fanout) sinks"
    parts.append("<text x='\(start + 2 * bar)' y='\(bottom + 18)' text-anchor='middle'>\(name)</text>")
    return parts
  }

  private static func legend() -> [String] {
    KernelLaneBench.Path.allCases.enumerated().flatMap { i, path in
      let x = left + i * 150
      return [
        "<rect x='\(x)' y='\(bottom + 34)' width='12' height='12' fill='\(colours[path] ?? "black")'/>",
        "<text x='\(x + 18)' y='\(bottom + 44)'>\(path.rawValue)</text>",
      ]
    }
  }

  private static func height(of value: Double, _ limit: Double) -> Int {
    bottom - Int(value / limit * Double(bottom - top))
  }
}
