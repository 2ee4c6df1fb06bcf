/// The rules that choose a routing table (ip-rule(8)), from RTM_NEWRULE: struct fib_rule_hdr, 12 octets, then attributes.
public enum RoutingRule {
  private static let newRule = 32
  private static let headerLength = 12
  /// FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE
  private static let ofPorts = [22, 23, 24]

  /// RTM_GETRULE of every family.
  public static var request: NetlinkRequest {
    var request = NetlinkRequest(type: 34, flags: NetlinkRequest.dump)
    for _ in 0..<3 { request.append(UInt32(0)) }
    return request
  }

  /// Whether the way between two hosts can differ from port to port.
  public static func distinguishesPorts(_ message: NetlinkMessage) -> Bool {
    guard message.type == newRule else { return false }
    let attributes = message.attributes(after: headerLength)
    return ofPorts.contains { attributes[$0] != nil }
  }
}
