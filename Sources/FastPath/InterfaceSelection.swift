import Forwarding

/// Which interfaces the fast path is for.
struct InterfaceSelection {
  /// nil: all that a program can be attached to without being asked for it by name.
  let names: [String]?
  var lanes = InterfaceLanes([:])

  func contains(_ link: Link) -> Bool {
    guard !lanes.isSocket(link.name) else { return false }
    guard let names else { return link.isEligible }
    return names.contains(link.name) && link.isUp
  }

  /// Those named that are not there or not up, and those that are to have the socket lane.
  func absent(from links: [UInt32: Link]) -> [InterfaceStatus] {
    let left = links.values.filter { lanes.isSocket($0.name) && $0.isUp }.sorted { $0.index < $1.index }.map {
      InterfaceStatus(socketLaneOn: $0.name, index: $0.index, reason: InterfaceLanes.socketReason)
    }
    return left
      + Set(names ?? []).sorted().compactMap { name in
        guard let link = links.values.first(where: { $0.name == name }) else {
          return InterfaceStatus(socketLaneOn: name, index: 0, reason: "there is no interface \(name)")
        }
        return link.isUp ? nil : InterfaceStatus(socketLaneOn: name, index: link.index, reason: "\(name) is down")
      }
  }

  /// What is told of all of them where there is only the socket lane.
  func onSocketLane(_ links: [UInt32: Link], reason: String) -> [InterfaceStatus] {
    let present = links.values.filter(contains).map {
      InterfaceStatus(socketLaneOn: $0.name, index: $0.index, reason: reason)
    }
    return (absent(from: links) + present).sorted { $0.index < $1.index }
  }
}

extension InterfaceStatus {
  init(socketLaneOn name: String, index: UInt32, reason: String) {
    self.init(name: name, index: index, xdpMode: "", xskMode: "", queues: 0, lane: .socket, reason: reason)
  }
}
