import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// Interfaces come, go and change while the fast path runs.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct ChangingInterfacesTests {
  @Test func followsInterfacesThatComeAndGo() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    try scene.warmUp()
    try shell("ip -n \(scene.network.server) link del v0")
    #expect(eventually { scene.call.fastPath.statistics().interfaces.first?.reason == "there is no interface v0" })
    #expect(
      eventually { scene.call.fastPath.statistics().sinks.allSatisfy { $0.lane != .xsk && !$0.laneReason.isEmpty } },
      "\(scene.call.fastPath.statistics().sinks)")
    try shell(
      """
      set -e; S=\(scene.network.server); C=\(scene.network.client)
      ip link add v0 netns $S type veth peer name v1 netns $C
      ip -n $S addr add 10.9.0.1/24 dev v0; ip -n $C addr add 10.9.0.2/24 dev v1
      ip -n $S link set v0 up; ip -n $C link set v1 up
      """)
    #expect(eventually { scene.call.fastPath.statistics().interfaces.first?.lane == .xsk })
    let before = scene.call.fastPath.statistics().sentOnXSK
    var sequence = 42_000
    #expect(
      eventually(seconds: 30) {
        scene.send(sequence..<sequence + 1)
        sequence += 1
        _ = scene.receivers[0].receive(milliseconds: 50)
        return scene.call.fastPath.statistics().sentOnXSK > before
      })
  }

  @Test func oneThatVanishesLeavesTheCallOnAnotherAlone() throws {
    let network = try Network()
    try network.addCable("w", subnet: "10.8.0")
    let call = try network.onServer {
      try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["v0", "w0"], lane: .xsk))
    }
    defer { call.fastPath.stop() }
    let (publisher, near, far) = try network.onClient {
      (try UDPClient("10.9.0.2"), try UDPClient("10.9.0.2"), try UDPClient("10.8.0.2"))
    }
    let ip = try #require(IPAddress("10.9.0.1"))
    let media = SocketAddress(ip, call.fastPath.boundPort)
    call.connect(ip, publisher: publisher.address, ssrc: 7, receivers: [near.address, far.address])
    var sequence: UInt16 = 0
    func send() {
      publisher.send(Call.packet(sequence, ssrc: 7), to: media)
      sequence += 1
    }
    func received(_ client: UDPClient, within milliseconds: CInt = 30_000) -> Bool {
      client.receive(milliseconds: milliseconds) != nil
    }

    #expect(
      eventually {
        send()
        _ = (received(near, within: 50), received(far, within: 50))
        return call.fastPath.statistics().sinks.map(\.lane) == [.xsk, .xsk]
      }, "\(call.fastPath.statistics().sinks)")
    while received(near, within: 200) || received(far, within: 200) {}
    for _ in 0..<100 { send() }
    #expect((0..<100).allSatisfy { _ in received(near) && received(far) })

    // What is on its way meanwhile arrives as well.
    for i in 0..<200 {
      if i == 50 { try shell("ip -n \(network.server) link del w0") }
      send()
      #expect(received(near), "packet \(i)")
    }
    #expect(eventually { call.fastPath.statistics().interfaces.map(\.lane) == [.socket, .xsk] })
    // So that what is published now counts all of this.
    let published = call.fastPath.statistics().at
    #expect(eventually { call.fastPath.statistics().at > published })
    func nearOnXSK() -> UInt64? { call.fastPath.statistics().sinks.first { $0.id.rawValue == 0 }?.packetsOnXSK }
    let before = try #require(nearOnXSK())
    for _ in 0..<20 { send() }
    #expect((0..<20).allSatisfy { _ in received(near) })
    #expect(eventually { nearOnXSK() == before + 20 })
  }

  @Test(arguments: [LaneChoice.xsk, .socket]) func whatIsNamedAndNotThereIsTold(_ lane: LaneChoice) throws {
    let network = try Network()
    let call = try network.onServer {
      try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["nope0", "v0"], lane: lane))
    }
    defer { call.fastPath.stop() }
    func told() -> (Lane, String)? {
      call.fastPath.statistics().interfaces.first { $0.name == "nope0" }.map { ($0.lane, $0.reason) }
    }
    #expect(call.fastPath.statistics().interfaces.count == 2)
    #expect(told() ?? (.kernel, "") == (.socket, "there is no interface nope0"))
    try shell("ip -n \(network.server) link add nope0 type veth peer name nope1")
    #expect(eventually { told() ?? (.kernel, "") == (.socket, "nope0 is down") })
    try shell("ip -n \(network.server) link set nope0 up")
    #expect(eventually { told()?.0 == lane.expected }, "\(call.told.lines)")
  }
}

extension LaneChoice {
  /// Of an interface that does all.
  fileprivate var expected: Lane { self == .socket ? .socket : .xsk }
}
