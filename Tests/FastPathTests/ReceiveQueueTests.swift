import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// Every receive queue of every interface has an AF_XDP socket.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct ReceiveQueueTests {
  @Test(arguments: [16, 64]) func ofTwoInterfacesAndLoopback(_ queues: Int) throws {
    let network = try Network(queues: queues)
    try network.addCable("w", subnet: "10.8.0", queues: queues)
    let call = try network.onServer {
      try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["lo", "v0", "w0"], lane: .xsk))
    }
    defer { call.fastPath.stop() }
    let interfaces = call.fastPath.statistics().interfaces
    #expect(
      Dictionary(uniqueKeysWithValues: interfaces.map { ($0.name, $0.queues) }) == [
        "lo": 1, "v0": queues, "w0": queues,
      ])
    #expect(interfaces.allSatisfy { $0.lane == .xsk && $0.reason.isEmpty }, "\(interfaces)")
    try expectFlows(64, network, call) { $0.packetsOnXSK == 20 }
  }

  @Test func addedLater() throws {
    let network = try Network(queues: 4)
    try shell("ip netns exec \(network.client) ethtool -L v1 tx 1; ip netns exec \(network.server) ethtool -L v0 rx 1")
    let call = try network.onServer {
      try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["v0"], lane: .xsk))
    }
    defer { call.fastPath.stop() }
    #expect(call.fastPath.statistics().interfaces.first?.queues == 1)
    try shell("ip netns exec \(network.server) ethtool -L v0 rx 4; ip netns exec \(network.client) ethtool -L v1 tx 4")
    #expect(eventually(seconds: 30) { call.fastPath.statistics().interfaces.first?.queues == 4 })
    // A veth runs no program on queues that were added under it, so their packets come by the UDP socket.
    try expectFlows(32, network, call) { _ in true }
  }

  /// As many publishers: their ports, and so their queues, differ.
  private func expectFlows(
    _ count: Int, _ network: Network, _ call: Call, _ isRight: (SourceStatistics) -> Bool
  ) throws {
    let ip = try #require(IPAddress("10.9.0.1"))
    let media = SocketAddress(ip, call.fastPath.boundPort)
    let publishers = try network.onClient { try (0..<count).map { _ in try UDPClient("10.9.0.2") } }
    for (number, publisher) in publishers.enumerated() {
      let id = UInt32(number + 1)
      let tuple = FiveTuple(local: media, remote: publisher.address)
      call.fastPath.perform([
        .addTransport(Transport(id: TransportID(rawValue: id), tuple: tuple, protection: .clear)),
        .addSource(
          Source(
            id: SourceID(rawValue: id), transport: TransportID(rawValue: id), ssrc: id, kind: .video, clockRate: 90_000)
        ),
      ])
    }
    #expect(eventually { call.fastPath.statistics().sources.count == count })
    for sequence in 0..<UInt16(20) {
      for (number, publisher) in publishers.enumerated() {
        publisher.send(Call.packet(sequence, ssrc: UInt32(number + 1)), to: media)
      }
    }
    #expect(
      eventually { call.fastPath.statistics().sources.allSatisfy { $0.packets == 20 && isRight($0) } },
      "\(call.fastPath.statistics().sources.map { ($0.packetsOnXSK, $0.packetsOnSocket) })")
  }
}
