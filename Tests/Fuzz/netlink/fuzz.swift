import Netlink
import Wire

/// Any bytes as what the kernel tells of its tables: nothing traps, and what is cut off or odd is read as far as it goes.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  let messages = NetlinkMessage.all(in: bytes[...])
  let flow = HostFlow(from: SocketAddress(.v4(1), 2), to: SocketAddress(.v4(3), 4), interfaces: [5])
  let policies = IPsecPolicies(policies: messages, defaults: messages.last)
  _ = policies?.reason(outgoing: flow)?.utf8.count
  _ = policies?.reason(incoming: flow)?.utf8.count
  for message in messages {
    _ = FilterChain.rules(message)?.count
    _ = QueueingDiscipline.read(message, names: [:])?.mayFilter
    _ = RoutingRule.distinguishesPorts(message)
  }
  let information = bytes.prefix(LegacyTable.informationLength)
  _ = LegacyTable("nat", information: information, isV6: size & 1 == 0)?.rule(
    entries: bytes.dropFirst(information.count))
  return 0
}
