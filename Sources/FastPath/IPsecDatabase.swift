import Glibc
import Netlink
import Wire

/// The host's IPsec policies, read again when they change.
struct IPsecDatabase: ~Copyable {
  /// One socket to ask by and one that tells of changes.
  private struct Connection: ~Copyable {
    var netlink: NetlinkSocket
    var monitor: NetlinkSocket
  }

  private(set) var policies = IPsecPolicies()
  /// Why nobody knows what the policies are; empty if they are known.
  private(set) var refusal = ""
  private var connection: Connection?
  private var isOld = true
  private var retryDue = Instant.zero
  /// However often they change, reading them takes a tenth of the worker's time at most.
  private var readDue = Instant.zero

  private static let protocolNumber: CInt = 6  // NETLINK_XFRM
  /// XFRMNLGRP_EXPIRE, _POLICY, _MIGRATE
  private static let groups: UInt32 = 1 << 1 | 1 << 3 | 1 << 6
  /// XFRM_MSG_EXPIRE: a security association's end changes no policy.
  private static let associationExpired = 0x18
  private static let retryInterval = Interval.seconds(5)
  private static let refusedInterval = Interval.seconds(1)

  init() { open() }

  /// Readable when policies changed; -1 if there is nobody to tell.
  private(set) var monitorDescriptor: CInt = -1

  /// Catches up; `hasNews` says that the monitor's descriptor is readable. Returns whether policies are others now.
  mutating func turn(now: Instant, hasNews: Bool) -> Bool {
    if hasNews { readNotifications() }
    guard isOld || now >= retryDue, now >= readDue else { return false }
    isOld = false
    let before = (policies, refusal)
    let start = Instant.current()
    read()
    let end = Instant.current()
    readDue = end.advanced(by: Interval(nanoseconds: end.since(start).nanoseconds * 10))
    retryDue = end.advanced(by: refusal.isEmpty ? Self.retryInterval : Self.refusedInterval)
    return before != (policies, refusal)
  }

  /// Why a packet that this host sends may not leave past the network stack; nil: it may.
  func reason(outgoing flow: HostFlow) -> String? { refusal.isEmpty ? policies.reason(outgoing: flow) : refusal }

  /// Why a packet may not be taken before the network stack sees it; nil: it may.
  func reason(incoming flow: HostFlow) -> String? { refusal.isEmpty ? policies.reason(incoming: flow) : refusal }

  private mutating func readNotifications() {
    guard let (messages, areLost) = connection?.monitor.notifications() else { return }
    if areLost || messages.contains(where: { $0.type != Self.associationExpired }) { isOld = true }
  }

  /// The monitor first, so that no change is missed.
  private mutating func open() {
    guard let monitor = NetlinkSocket(groups: Self.groups, protocol: Self.protocolNumber),
      let netlink = NetlinkSocket(protocol: Self.protocolNumber)
    else {
      refusal = Self.refusal(errno)
      return
    }
    monitorDescriptor = monitor.descriptor
    connection = Connection(netlink: netlink, monitor: monitor)
  }

  private mutating func read() {
    if connection == nil { open() }
    do throws(NetlinkRefusal) {
      guard let messages = try connection?.netlink.dump(IPsecPolicies.policiesRequest) else { return }
      let defaults = try defaults()
      guard let policies = IPsecPolicies(policies: messages, defaults: defaults) else {
        refusal = "the host's IPsec policies are not understood"
        return
      }
      self.policies = policies
      refusal = ""
    } catch {
      refusal = Self.refusal(error.error)
    }
  }

  /// nil: this kernel has no defaults (before Linux 5.14).
  private mutating func defaults() throws(NetlinkRefusal) -> NetlinkMessage? {
    do throws(NetlinkRefusal) {
      return try connection?.netlink.answer(to: IPsecPolicies.defaultsRequest).first
    } catch {
      if error.error == EINVAL { return nil }
      throw error
    }
  }

  /// Empty where there cannot be any: in a kernel that has no way to set them.
  private static func refusal(_ error: Int32) -> String {
    let isMissing = error == EPROTONOSUPPORT || error == EAFNOSUPPORT
    if isMissing, access("/proc/net/pfkey", F_OK) != 0 { return "" }
    return "the host's IPsec policies cannot be read (\(SystemError.text(error)))"
  }
}
