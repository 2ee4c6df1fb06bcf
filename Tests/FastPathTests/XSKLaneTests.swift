import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// The xsk lane over real (virtual) cables, in namespaces of the test's own.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct XSKLaneTests {
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
    let reason = "not in the kernel: there is no kernel lane"
    #expect(after.sources.first?.laneReason == reason)
    #expect(after.sinks.allSatisfy { $0.lane == .xsk && $0.laneReason == reason })
    #expect(after.count("xdp_redirect_xsk") == before.receivedOnXSK + 100)
    let interface = try #require(after.interfaces.first)
    #expect(interface.name == "v0" && interface.lane == .xsk && interface.xdpMode == "native")
    #expect(interface.xskMode == "copy" && interface.queues == 1)
  }

  /// A receiver's kernel drops what has a wrong checksum.
  @Test(arguments: [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
  func checksumsOfEveryLengthAreRight(_ local: String, _ remote: String) throws {
    let scene = try Scene(local: local, remote: remote, receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    let lengths = Array(0..<70) + [1187, 1188, 1189, 1199]
    for (number, length) in lengths.enumerated() {
      scene.send(41_000 + number..<41_001 + number, payloadLength: length)
      try scene.expectCopies(1, payloadLength: length)
    }
  }

  @Test func everythingElseStillReachesTheHost() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    scene.publisher.send([UInt8](repeating: 0, count: 20), to: scene.media)
    #expect(eventually { scene.call.told.datagrams.contains { $0.bytes.count == 20 } })
    let stranger = try scene.network.onClient { try UDPClient("10.9.0.2") }
    stranger.send(Call.packet(1, ssrc: 7), to: scene.media)
    #expect(eventually { scene.call.fastPath.statistics().count("xdp_drop_unknown_sender") == 1 })
    #expect(scene.call.fastPath.statistics().count("worker_unknown_tuple") == 0)

    let listener = try scene.network.onServer { try TCPListener("10.9.0.1") }
    let sent = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let received = try listener.receive(sent, from: { body in try scene.network.onClient(body) })
    #expect(received == sent)
  }

  @Test func tellsOfAnUnknownSSRC() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    scene.publisher.send(Call.packet(1, ssrc: 4711), to: scene.media)
    #expect(
      eventually {
        scene.call.told.all.contains {
          if case .unknownSource(let transport, let source) = $0 {
            transport.rawValue == 1 && source.ssrc == 4711
          } else {
            false
          }
        }
      })
    #expect(eventually { (scene.call.fastPath.statistics().count("xdp_pass_unknown_ssrc") ?? 0) >= 1 })
  }

  @Test func forwardsOnLoopback() throws {
    let scene = try Scene(local: "127.0.0.1", remote: "127.0.0.1", clientsOnServer: true) { $0.interfaces = ["lo"] }
    func setting(_ name: String) throws -> Int32 {
      try shell(
        "ip netns exec \(scene.network.server) sh -c 'exit $(cat /proc/sys/net/ipv4/conf/lo/\(name))'", mayFail: true)
    }
    try scene.warmUp()
    #expect(try setting("accept_local") != 0 && setting("route_localnet") != 0)
    scene.send(41_000..<41_050)
    try scene.expectCopies(50)
    #expect(scene.call.fastPath.statistics().interfaces.first?.xdpMode == "generic")
    scene.stop()
    #expect(try setting("accept_local") == 0 && setting("route_localnet") == 0)
  }

  @Test(.enabled(if: Network.hasVLANs, "this kernel has no 802.1Q")) func forwardsThroughAVLAN() throws {
    let scene = try Scene(
      local: "10.10.0.1", remote: "10.10.0.2",
      prepare: """
        ip -n $S link add link v0 name v0.5 type vlan id 5; ip -n $C link add link v1 name v1.5 type vlan id 5
        ip -n $S addr add 10.10.0.1/24 dev v0.5; ip -n $C addr add 10.10.0.2/24 dev v1.5
        ip -n $S link set v0.5 up; ip -n $C link set v1.5 up
        """)
    defer { scene.stop() }
    try scene.warmUp()
    scene.send(41_000..<41_020)
    try scene.expectCopies(20)
  }

  @Test func whatIsLargerThanThePathGoesByTheSocket() throws {
    let scene = try Scene(receivers: 2, prepare: "ip -n $S route replace 10.9.0.0/24 dev v0 src 10.9.0.1 mtu 600")
    defer { scene.stop() }
    try scene.warmUp(payloadLength: 100)
    let before = scene.call.fastPath.statistics().sinks.reduce(0) { $0 + $1.packetsOnSocket }
    scene.send(41_000..<41_010)
    try scene.expectCopies(10)
    scene.send(41_010..<41_020, payloadLength: 572 - 12)
    try scene.expectCopies(10, payloadLength: 572 - 12)
    #expect(eventually { scene.call.fastPath.statistics().sinks.reduce(0) { $0 + $1.packetsOnSocket } == before + 20 })
  }

  @Test func segmentsAreTriedAgainWhenTheWayChanges() throws {
    let route = "route replace 10.9.0.0/24 dev v0 src 10.9.0.1 mtu"
    let scene = try Scene(receivers: 1, prepare: "ip -n $S \(route) 600")
    defer { scene.stop() }
    try scene.warmUp(payloadLength: 100)
    var sequence = 41_000
    func isRefused(_ count: UInt64) -> Bool {
      scene.call.told.holdWorker(by: scene.publisher, at: scene.media) { scene.send(sequence..<sequence + 4) }
      sequence += 4
      return scene.call.fastPath.statistics().count("socket_segments_refused") == count
    }
    #expect(eventually { isRefused(1) })
    try shell("ip -n \(scene.network.server) \(route) 700")
    #expect(eventually { isRefused(2) })
  }

  @Test(arguments: [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
  func dropsDamagedClearRTP(_ local: String, _ remote: String) throws {
    let scene = try Scene(local: local, remote: remote, receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    let wire = try scene.network.onClient { try PacketSocket("v1") }
    var frame = TestFrame()
    (frame.source, frame.destination) = (remote, local)
    (frame.sourcePort, frame.destinationPort) = (scene.publisher.address.port, scene.media.port)
    let isV6 = local.contains(":")
    for (number, checksum) in [TestFrame.ChecksumKind.whole, .pseudoHeader, .none].enumerated() {
      frame.payload = Call.packet(UInt16(41_000 + number), ssrc: 7, payloadLength: 1001)
      frame.checksum = checksum
      wire.send(frame.bytes)
      // Over IPv6 there is no datagram without (RFC 8200 section 8.1).
      if !isV6 || checksum != .none { try scene.expectCopies(1, payloadLength: 1001) }
    }
    frame.payload = Call.packet(41_003, ssrc: 7)
    frame.checksum = .whole
    var damaged = frame.bytes
    damaged[damaged.count - 1] ^= 1
    wire.send(damaged)
    #expect(eventually { scene.call.fastPath.statistics().count("worker_bad_checksum") == (isV6 ? 2 : 1) })
    #expect(scene.receivers[0].receive(milliseconds: 0) == nil)
  }

  @Test func leavesAnotherProgramAlone() throws {
    let network = try Network()
    let other = try TestProgram()
    let index = try network.onServer { if_nametoindex("v0") }
    let link = try network.onServer { try other.attach(to: index) }
    let call = try network.onServer { try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["v0"])) }
    defer { call.fastPath.stop() }
    let interface = try #require(call.fastPath.statistics().interfaces.first)
    #expect(interface.lane == .socket && interface.xdpMode.isEmpty)
    #expect(interface.reason.contains("needletail_xdp") && interface.reason.contains("(process \(getpid()))"))

    close(link)
    #expect(eventually(seconds: 30) { call.fastPath.statistics().interfaces.first?.lane == .xsk })
  }

  @Test func aFullTableCostsTheLaneAlone() throws {
    let scene = try Scene(receivers: 1) { $0.maximumTransports = 1 }
    defer { scene.stop() }
    try scene.warmUp()
    // The receiver's transport found no room, and from then on nobody is a stranger.
    #expect(scene.call.told.lines.contains { $0.hasPrefix("error: no room for transport 100") })
    let stranger = try scene.network.onClient { try UDPClient("10.9.0.2") }
    stranger.send(Call.packet(1, ssrc: 7), to: scene.media)
    #expect(eventually { scene.call.fastPath.statistics().count("xdp_pass_unknown_sender") == 1 })
    #expect(scene.call.fastPath.statistics().maps.first { $0.name == "transports" }?.used == 1)

    scene.call.fastPath.perform([.removeTransport(TransportID(rawValue: 100))])
    // What comes before the worker has read the command still passes.
    var sequence: UInt16 = 2
    #expect(
      eventually {
        stranger.send(Call.packet(sequence, ssrc: 7), to: scene.media)
        sequence += 1
        return (scene.call.fastPath.statistics().count("xdp_drop_unknown_sender") ?? 0) > 0
      })
  }

  @Test func aTransportGetsItsAddressBackFromOneThatTookIt() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    let address = FiveTuple(local: scene.media, remote: scene.publisher.address)
    let other = TransportID(rawValue: 300)
    func used() -> [Int] { Array(scene.call.fastPath.statistics().maps.map { Int($0.used) }.prefix(2)) }
    scene.call.fastPath.perform([
      .addTransport(Transport(id: other, tuple: address, protection: .clear)), .removeTransport(other),
    ])
    #expect(eventually { used() == [1, 0] })
    scene.call.fastPath.perform([.moveTransport(TransportID(rawValue: 1), address)])
    #expect(eventually { used() == [2, 1] })
  }

  @Test func routesGoWithTheirTransport() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    let moved = try scene.network.onClient { try UDPClient("10.9.0.2") }
    scene.call.fastPath.perform([
      .moveTransport(TransportID(rawValue: 1), FiveTuple(local: scene.media, remote: moved.address))
    ])
    // What comes before the worker has read the command is a stranger's.
    var sequence: UInt16 = 42_000
    func isForwarded(from client: UDPClient) -> Bool {
      client.send(Call.packet(sequence, ssrc: 7), to: scene.media)
      sequence += 1
      return scene.receivers[0].receive(milliseconds: 50) != nil
    }
    #expect(eventually { isForwarded(from: moved) })
    #expect(!isForwarded(from: scene.publisher))
    let statistics = scene.call.fastPath.statistics()
    #expect(statistics.maps.first { $0.name == "transports" }?.used == 2)

    scene.call.fastPath.perform([.removeTransport(TransportID(rawValue: 1))])
    #expect(eventually { !isForwarded(from: moved) })
    #expect(eventually { scene.call.fastPath.statistics().maps.map(\.used).prefix(2) == [1, 0] })
    #expect(eventually { (scene.call.fastPath.statistics().count("xdp_drop_unknown_sender") ?? 0) >= 2 })
  }

  @Test func stoppingLeavesNothingAttached() throws {
    let scene = try Scene(receivers: 1)
    #expect(try shell("ip -n \(scene.network.server) link show v0 | grep -q xdp", mayFail: true) == 0)
    scene.stop()
    #expect(try shell("ip -n \(scene.network.server) link show v0 | grep -q xdp", mayFail: true) != 0)
  }
}
