import Forwarding
import Logging

/// Says which lane each interface is on and why, at the start and whenever that changes: a slow path is never silent.
struct InterfaceLog {
  private var known: [String: InterfaceStatus] = [:]

  mutating func note(_ interfaces: [InterfaceStatus], log: Logger) {
    for status in interfaces where known[status.name] != status {
      var metadata: Logger.Metadata = ["name": "\(status.name)", "lane": "\(status.lane.rawValue)"]
      for (key, text) in [("reason", status.reason), ("xdp", status.xdpMode), ("af_xdp", status.xskMode)]
      where !text.isEmpty {
        metadata[key] = "\(text)"
      }
      log.log(level: status.lane == .socket ? .warning : .notice, "interface", metadata: metadata)
    }
    for name in known.keys where !interfaces.contains(where: { $0.name == name }) {
      log.notice("interface gone", metadata: ["name": "\(name)"])
    }
    known = Dictionary(interfaces.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
  }
}
