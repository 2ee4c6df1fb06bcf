/// The queueing disciplines of interfaces and the programs on their way out (tc(8)), from RTM_NEWQDISC and RTM_NEWTFILTER.
///
///     struct tcmsg: 0 family, 4 interface, 8 handle, 12 parent, 16 information; 20 octets, then attributes
public enum QueueingDiscipline {
  /// RTM_…QDISC, …TCLASS, …TFILTER
  public static let messageTypes = 36...46
  private static let newDiscipline = 36
  private static let newFilter = 44
  private static let headerLength = 20
  private static let kindAttribute = 1  // TCA_KIND
  private static let options = 2  // TCA_OPTIONS
  private static let egressBlock = 14  // TCA_EGRESS_BLOCK
  private static let flowMaximumRate = 7  // TCA_FQ_FLOW_MAX_RATE
  private static let egress: UInt32 = 0xffff_fff3  // TC_H_CLSACT, TC_H_MIN_EGRESS

  /// Those that only say in what order packets leave, as fast as they can.
  private static let passive: Set<String> = [
    "noqueue", "pfifo_fast", "pfifo", "bfifo", "mq", "multiq", "fq", "fq_codel", "fq_pie", "codel", "pie", "sfq",
    "ingress",
    "clsact",
  ]

  /// RTM_GETQDISC
  public static var request: NetlinkRequest {
    var request = NetlinkRequest(type: 38, flags: NetlinkRequest.dump)
    for _ in 0..<5 { request.append(UInt32(0)) }
    return request
  }

  /// RTM_GETTFILTER: the filters on an interface's way out.
  public static func filtersRequest(_ interface: UInt32) -> NetlinkRequest {
    var request = NetlinkRequest(type: 46, flags: NetlinkRequest.dump)
    request.append(UInt32(0))
    request.append(interface)
    request.append(UInt32(0))
    request.append(egress)
    request.append(UInt32(0))
    return request
  }

  /// The interface that a discipline is on, and what it is to packets that leave.
  public struct Reading: Hashable, Sendable {
    public var interface: UInt32
    /// nil: nothing that matters.
    public var rule: OutputRule?
    /// Whether there can be filters on the way out, which must be asked for.
    public var mayFilter: Bool
  }

  /// nil if the message is not understood. `names`: the interfaces', by index.
  public static func read(_ message: NetlinkMessage, names: [UInt32: String]) -> Reading? {
    guard message.type == newDiscipline, message.body.count >= headerLength else { return nil }
    let attributes = message.attributes(after: headerLength)
    guard let kind = attributes[kindAttribute]?.text, !kind.isEmpty else { return nil }
    let index = message.body.u32(4)
    let name = names[index] ?? "interface \(index)"
    var reading = Reading(interface: index, rule: nil, mayFilter: kind == "clsact")
    if attributes[egressBlock] != nil {
      reading.rule = OutputRule(.device, interface: name, name: "a shared block of tc filters on \(name)")
    } else if !passive.contains(kind) || paces(kind, attributes[options]) {
      reading.rule = OutputRule(.device, interface: name, name: "queueing discipline \(kind) on \(name)")
    }
    return reading
  }

  private static func paces(_ kind: String, _ options: ArraySlice<UInt8>?) -> Bool {
    guard kind == "fq", let rate = NetlinkMessage.attributes(in: options ?? [])[flowMaximumRate] else { return false }
    return rate.u32(0) != .max
  }

  /// What the answer to `filtersRequest` means.
  public static func rule(filters: [NetlinkMessage], on name: String) -> OutputRule? {
    filters.contains { $0.type == newFilter }
      ? OutputRule(.device, interface: name, name: "tc filters on the way out of \(name)") : nil
  }
}
