import Forwarding
import Logging

/// Says which lane each interface is on and why, at the start and whenever that changes: a slow path is never silent.
struct InterfaceLog {
  /// What was said of each.
  private var told: [String: Logger.Metadata] = [:]

  mutating func note(_ interfaces: [InterfaceStatus], log: Logger) {
    for status in interfaces where told[status.name] != status.metadata {
      told[status.name] = status.metadata
      log.log(level: status.lane == .socket ? .warning : .notice, "interface", metadata: status.metadata)
    }
    for name in told.keys where !interfaces.contains(where: { $0.name == name }) {
      told[name] = nil
      log.notice("interface gone", metadata: ["name": "\(name)"])
    }
  }
}

extension InterfaceStatus {
  fileprivate var metadata: Logger.Metadata {
    let fields = [
      "name": name, "lane": lane.rawValue, "reason": reason, "xdp": xdpMode, "af_xdp": xskMode,
      "queues": queues == 0 ? "" : "\(queues)",
    ]
    return fields.filter { !$0.value.isEmpty }.mapValues { "\($0)" }
  }
}
