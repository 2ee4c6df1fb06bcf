import Foundation
import Netlink

/// What of the host's keeps media on the socket lane; see "The host's rules" in docs/operations.md.
enum RuleChecks {
  static func all() -> [Finding] { [policies(), output()] }

  private static func policies() -> Finding {
    let check = "IPsec policies"
    let netlink: Int32 = 6  // NETLINK_XFRM
    do throws(HostTable.Refusal) {
      let messages = try HostTable.read(IPsecPolicies.policiesRequest, protocolNumber: netlink)
      let defaults = try? HostTable.read(IPsecPolicies.defaultsRequest, protocolNumber: netlink, isDump: false).first
      guard let policies = IPsecPolicies(policies: messages, defaults: defaults) else {
        return unreadable(check, "not understood")
      }
      guard !policies.isEmpty else { return .ok(check, "none") }
      return .note(
        check, "\(policies.count)",
        remedy: "nothing to do: what they cover takes the socket lane; needlectl streams says which it is")
    } catch {
      return error.isMissing ? .ok(check, "this kernel has none") : unreadable(check, error.text)
    }
  }

  private static func output() -> Finding {
    let check = "output rules"
    do throws(HostTable.Refusal) {
      let found = try chains() + devices() + tables()
      guard !found.isEmpty else { return .ok(check, "none") }
      return .note(
        check, found.joined(separator: ", "),
        remedy: "media that they may concern takes the socket lane; interface-lanes lets it pass over them")
    } catch {
      return unreadable(check, error.text)
    }
  }

  private static func chains() throws(HostTable.Refusal) -> [String] {
    do throws(HostTable.Refusal) {
      let messages = try HostTable.read(FilterChain.request, protocolNumber: FilterChain.protocolNumber)
      return messages.flatMap { FilterChain.rules($0) ?? [] }.map(\.name)
    } catch {
      guard error.isMissing else { throw error }
      return []
    }
  }

  /// Programs by TCX are not looked for: the server names them.
  private static func devices() throws(HostTable.Refusal) -> [String] {
    var names: [UInt32: String] = [:]
    for name in HostFiles.entries("/sys/class/net") {
      if let index = HostFiles.number("/sys/class/net/\(name)/ifindex") { names[UInt32(clamping: index)] = name }
    }
    var found: [String] = []
    for message in try HostTable.read(QueueingDiscipline.request, protocolNumber: 0) {
      guard let reading = QueueingDiscipline.read(message, names: names) else { continue }
      if let rule = reading.rule { found.append(rule.name) }
      guard reading.mayFilter, let name = names[reading.interface] else { continue }
      let filters = try HostTable.read(QueueingDiscipline.filtersRequest(reading.interface), protocolNumber: 0)
      if let rule = QueueingDiscipline.rule(filters: filters, on: name) { found.append(rule.name) }
    }
    return found
  }

  /// Of iptables as it was before nftables: they are named, whether they have rules or not.
  private static func tables() -> [String] {
    [("/proc/net/ip_tables_names", false), ("/proc/net/ip6_tables_names", true)].flatMap { path, isV6 in
      (HostFiles.text(path) ?? "").split(separator: "\n").map { LegacyTable.unread(String($0), isV6: isV6).name }
    }
  }

  private static func unreadable(_ check: String, _ why: String) -> Finding {
    .note(
      check, "cannot be read (\(why))",
      remedy:
        "run this as the server's user, which needs CAP_NET_ADMIN; if the server cannot read them, media takes the socket lane"
    )
  }
}
