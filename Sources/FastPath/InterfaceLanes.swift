/// Which lanes the operator wants at single interfaces.
struct InterfaceLanes {
  private let lanes: [String: LaneChoice]

  init(_ lanes: [String: LaneChoice]) { self.lanes = lanes }

  static let socketReason = "the configuration asks for the socket lane"

  /// Those of which one is named count together: a VLAN, and what is beneath it.
  func passesRules(_ names: [String]) -> Bool { names.contains { lanes[$0] == .kernel || lanes[$0] == .xsk } }
  func leavesOutKernel(_ names: [String]) -> Bool { names.contains { lanes[$0] == .xsk } }
  func isSocket(_ name: String) -> Bool { lanes[name] == .socket }
}
