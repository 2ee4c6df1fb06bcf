import FastPath
import Forwarding
import Glibc
import Testing
import Wire

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct XSKLaneTests {
  /// Everything of a call over the cable: the fast path on the server's end, one publisher and receivers on the client's.
  private struct Scene {
    let network: Network
    let call: Call
    let publisher: UDPClient
    let receivers: [UDPClient]
    let media: SocketAddress

    init(
      local: String = "10.9.0.1", remote: String = "10.9.0.2", receivers count: Int = 4, prepare: String? = nil,
      configure: (inout FastPathConfiguration) -> Void = { _ in }
    ) throws {
      let network = try Network()
      self.network = network
      if let prepare {
        try shell("set -e; S=\(network.server); C=\(network.client); \(prepare)")
      }
      var configuration = FastPathConfiguration(mediaPort: 0, interfaces: ["v0"], lane: .xsk)
      configure(&configuration)
      call = try network.onServer { [configuration] in try Call(configuration) }
      publisher = try network.onClient { try UDPClient(remote) }
      receivers = try network.onClient { try (0..<count).map { _ in try UDPClient(remote) } }
      let ip = try #require(IPAddress(local))
      media = SocketAddress(ip, call.fastPath.boundPort)
      call.connect(ip, publisher: publisher.address, ssrc: 7, receivers: receivers.map(\.address))
    }

    func send(_ sequences: Range<Int>, payloadLength: Int = 1000) {
      for sequence in sequences {
        publisher.send(Call.packet(UInt16(sequence), ssrc: 7, payloadLength: payloadLength), to: media)
      }
    }

    /// Expects the copies of that many packets at every receiver.
    func expectCopies(_ count: Int, payloadLength: Int = 1000) throws {
      for (number, receiver) in receivers.enumerated() {
        for packet in 0..<count {
          let received = receiver.receive()
          let copy = try #require(received, "receiver \(number), packet \(packet) of \(count): \(call.told.lines)")
          #expect(copy.from == media)
          #expect(Call.ssrc(copy.bytes) == 1000 + UInt32(number))
          #expect(copy.bytes.count == 12 + payloadLength)
          #expect(copy.bytes[12...] == Call.packet(0, ssrc: 7, payloadLength: payloadLength)[12...])
        }
      }
    }

    /// Sends single packets until the counters say that copies take the xsk lane: neighbours must be found first.
    func warmUp() throws {
      var sequence = 40_000
      let isReady = eventually {
        send(sequence..<sequence + 1)
        sequence += 1
        _ = receivers.map { $0.receive(milliseconds: 50) }
        let statistics = call.fastPath.statistics()
        return !statistics.sinks.isEmpty && statistics.sinks.allSatisfy { $0.lane == .xsk }
      }
      #expect(isReady, "\(call.fastPath.statistics().sinks.map(\.laneReason)) \(call.told.lines)")
      for receiver in receivers { while receiver.receive(milliseconds: 20) != nil {} }
    }

    func stop() { call.fastPath.stop() }
  }

  @Test(arguments: [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
  func forwardsPastTheNetworkStack(_ local: String, _ remote: String) throws {
    let scene = try Scene(local: local, remote: remote)
    defer { scene.stop() }
    try scene.warmUp()
    let before = scene.call.fastPath.statistics()
    scene.send(41_000..<41_100)
    try scene.expectCopies(100)

    #expect(
      eventually { scene.call.fastPath.statistics().sinks.allSatisfy { $0.packets >= before.sinks[0].packets + 100 } })
    let after = scene.call.fastPath.statistics()
    #expect(after.receivedOnXSK - before.receivedOnXSK == 100)
    #expect(after.sentOnXSK - before.sentOnXSK == 400)
    #expect(after.sources.first?.lane == .xsk)
    #expect(after.sinks.allSatisfy { $0.lane == .xsk && $0.laneReason.isEmpty })
    #expect(after.count("xdp_redirect_xsk") == before.receivedOnXSK + 100)
    let interface = try #require(after.interfaces.first)
    #expect(interface.name == "v0" && interface.lane == .xsk && interface.xdpMode == "native")
    #expect(interface.xskMode == "copy" && interface.queues == 1)
  }

  @Test(arguments: [0, 1, 2, 3, 5, 17, 160, 1199])
  func checksumsOfEveryLengthAreRight(_ length: Int) throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    scene.send(41_000..<41_001, payloadLength: length)
    try scene.expectCopies(1, payloadLength: length)
  }
}

extension FastPathStatistics {
  var receivedOnXSK: UInt64 { sources.reduce(0) { $0 + $1.packetsOnXSK } }
  var sentOnXSK: UInt64 { sinks.reduce(0) { $0 + $1.packetsOnXSK } }
}
