import Wire

/// Something of the host's that packets meet on their way out, and that may drop, delay or change them.
public struct OutputRule: Hashable, Sendable {
  public enum Stage: Sendable {
    /// Translates addresses: decided by the first packet of a connection, whichever way that goes.
    case connection
    /// Before a packet is given to its interface.
    case network
    /// At the interface: what TC sends meets it too.
    case device
  }

  public var stage: Stage
  /// nil: of both families.
  public var isV6: Bool?
  /// nil: at every interface.
  public var interface: String?
  /// For people, e.g. "nftables chain inet filter output".
  public var name: String

  public init(_ stage: Stage, isV6: Bool? = nil, interface: String? = nil, name: String) {
    self.stage = stage
    self.isV6 = isV6
    self.interface = interface
    self.name = name
  }
}

/// All of them, of which nobody can say in advance what they do with a packet.
public struct OutputRules: Hashable, Sendable {
  public var rules: [OutputRule]

  public init(_ rules: [OutputRule] = []) { self.rules = rules }

  /// Why a packet that leaves by an interface of these names (a VLAN, and what is beneath it) must pass the network stack, as far
  /// as `stages` go; nil: it need not.
  public func reason(_ stages: Set<OutputRule.Stage>, isV6: Bool, interfaces: [String]) -> String? {
    let found = rules.first { rule in
      stages.contains(rule.stage) && rule.isV6 ?? isV6 == isV6
        && (rule.interface.map { interfaces.contains($0) } ?? true)
    }
    return found.map { "the host's output rules apply: \($0.name)" }
  }

  /// Whether anything translates addresses.
  public var translate: Bool { rules.contains { $0.stage == .connection } }
}
