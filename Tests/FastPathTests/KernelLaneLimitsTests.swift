import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// What the kernel lane cannot take goes to the worker, with a reason, and nobody else's packets are touched.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct KernelLaneLimitsTests {
  typealias Scene = KernelLaneTests.Scene

  /// Adds a source of the publisher's with sinks on transports that are there.
  private func add(_ id: UInt32, ssrc: UInt32, sinks: Range<UInt32>, to scene: Scene) {
    var commands: [FastPathCommand] = [
      .addSource(
        Source(
          id: SourceID(rawValue: id), transport: TransportID(rawValue: 1), ssrc: ssrc, kind: .video, clockRate: 90_000))
    ]
    for transport in sinks {
      commands.append(
        .addSink(
          Sink(
            id: SinkID(rawValue: id * 10_000 + transport), source: SourceID(rawValue: id),
            transport: TransportID(rawValue: transport), ssrc: id * 10_000 + transport, payloadTypes: [96: 100])))
    }
    scene.call.fastPath.perform(commands)
  }

  /// Transports of receivers that nobody reads, at ports of the client's.
  private func addTransports(_ ids: Range<UInt32>, _ remote: IPAddress, to scene: Scene) {
    scene.call.fastPath.perform(
      ids.map { id in
        let tuple = FiveTuple(local: scene.media, remote: SocketAddress(remote, UInt16(20_000 + id - ids.lowerBound)))
        return .addTransport(Transport(id: TransportID(rawValue: id), tuple: tuple, protection: .clear))
      })
  }

  private func source(_ id: UInt32, _ scene: Scene) -> SourceStatistics? {
    scene.call.fastPath.statistics().sources.first { $0.id.rawValue == id }
  }

  @Test func moreSinksThanAllowedGoByTheWorker() throws {
    let scene = try Scene(.tc, receivers: 1)
    defer { scene.call.fastPath.stop() }
    let client = try #require(IPAddress("10.9.0.2"))
    addTransports(2000..<3024, client, to: scene)
    add(2, ssrc: 8, sinks: 2000..<3024, to: scene)
    #expect(
      eventually { source(2, scene)?.lane == .kernel }, "1024 are allowed: \(String(describing: source(2, scene)))")
    add(3, ssrc: 9, sinks: 2000..<3024, to: scene)
    scene.call.fastPath.perform([
      .addSink(
        Sink(
          id: SinkID(rawValue: 7), source: SourceID(rawValue: 3), transport: TransportID(rawValue: 100), ssrc: 77,
          payloadTypes: [96: 100]))
    ])
    #expect(eventually { source(3, scene)?.laneReason.contains("more than 1024 sinks") == true })
    #expect(source(3, scene)?.lane != .kernel && source(2, scene)?.lane == .kernel)
  }

  /// A poll of many packets to many sinks is more than a veth ring holds: what is lost is counted, and the worker, which
  /// waits for room, makes the copies.
  @Test func burstsThatOverflowTheInterfaceGoByTheWorker() throws {
    let scene = try Scene(.xdp, receivers: 30)
    defer { scene.call.fastPath.stop() }
    // Packets wait for the thread, and it takes many at a time.
    try shell("ip netns exec \(scene.network.server) sh -c 'echo 1 > /sys/class/net/v0/threaded'")
    scene.waitForKernel(.xdp)
    var next = 0
    let isRetreating = eventually {
      scene.send(next..<next + 60)
      next += 60
      return scene.source?.lane != .kernel && scene.source?.laneReason.contains("no room for bursts") == true
    }
    #expect(isRetreating, "\(String(describing: scene.source))")
    let lost = scene.call.fastPath.statistics().verdicts.first { $0.name == "xdp_copy_overflow" }
    #expect(lost.map { $0.count > 0 } == true)
    #expect(scene.call.told.lines.contains { $0.contains("had no room for copies of bursts") })
    for receiver in 0..<30 { _ = scene.received(receiver) }
    scene.send(30_000..<30_050)
    for receiver in 0..<30 { #expect(scene.received(receiver, 50) == Array(30_000..<30_050), "receiver \(receiver)") }
  }

  @Test func withoutRoomInTheTablesASourceGoesByTheWorkerWhole() throws {
    let scene = try Scene(.tc, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.tc)
    let client = try #require(IPAddress("10.9.0.2"))
    addTransports(2000..<3024, client, to: scene)
    // 32 of them fill the table of sinks up to the two that are there.
    for id in UInt32(10)..<41 { add(id, ssrc: 100 + id, sinks: 2000..<3024, to: scene) }
    #expect(eventually { (10..<41).allSatisfy { source(UInt32($0), scene)?.lane == .kernel } })
    add(41, ssrc: 141, sinks: 2000..<3024, to: scene)
    #expect(eventually { source(41, scene)?.laneReason.contains("the kernel lane's tables are full") == true })
    #expect(source(41, scene)?.lane != .kernel)
    // Who was there goes on.
    scene.send(0..<20)
    for receiver in 0..<2 { #expect(scene.received(receiver, 20) == Array(0..<20)) }
    #expect(eventually { source(1, scene)?.packetsOnKernel == 20 })
    // And what is removed makes room.
    scene.call.fastPath.perform([.removeSource(SourceID(rawValue: 40))])
    #expect(eventually { source(41, scene)?.lane == .kernel })
  }

  @Test func twoSendersMayHaveOneSSRC() throws {
    let scene = try Scene(.xdp, receivers: 1)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    let other = try scene.network.onClient { try UDPClient("10.9.0.2") }
    let listener = try scene.network.onClient { try UDPClient("10.9.0.2") }
    scene.call.fastPath.perform([
      .addTransport(
        Transport(
          id: TransportID(rawValue: 50), tuple: FiveTuple(local: scene.media, remote: other.address), protection: .clear
        )),
      .addTransport(
        Transport(
          id: TransportID(rawValue: 51), tuple: FiveTuple(local: scene.media, remote: listener.address),
          protection: .clear)),
      .addSource(
        Source(
          id: SourceID(rawValue: 5), transport: TransportID(rawValue: 50), ssrc: 7, kind: .video, clockRate: 90_000)),
      .addSink(
        Sink(
          id: SinkID(rawValue: 5), source: SourceID(rawValue: 5), transport: TransportID(rawValue: 51), ssrc: 555,
          payloadTypes: [96: 100])),
    ])
    #expect(eventually { source(5, scene)?.lane == .kernel })
    scene.send(0..<10)
    for sequence in UInt16(500)..<510 {
      other.send(Call.packet(sequence, ssrc: 7, payloadLength: 1000), to: scene.media)
    }
    #expect(scene.received(0, 10) == Array(0..<10))
    var sequences: [Int] = []
    while let (bytes, _) = listener.receive(milliseconds: sequences.count < 10 ? 30_000 : 100) {
      sequences.append(Int(bytes[2]) << 8 | Int(bytes[3]))
    }
    #expect(sequences == Array(500..<510))
  }

  @Test func aReceiverWhoDoesNotAnswerTakesItsSourceToTheWorkerUntilItDoes() throws {
    let scene = try Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    addTransports(60..<61, try #require(IPAddress("10.9.0.77")), to: scene)
    scene.call.fastPath.perform([
      .addSink(
        Sink(
          id: SinkID(rawValue: 60), source: SourceID(rawValue: 1), transport: TransportID(rawValue: 60), ssrc: 60,
          payloadTypes: [96: 100]))
    ])
    #expect(
      eventually { scene.source?.laneReason.contains("10.9.0.77") == true }, "\(String(describing: scene.source))")
    scene.send(0..<20)
    for receiver in 0..<2 { #expect(scene.received(receiver, 20) == Array(0..<20)) }
    try shell("ip -n \(scene.network.client) addr add 10.9.0.77/32 dev v1")
    scene.waitForKernel(.xdp)
  }

  @Test func anInterfaceThatVanishesEndsNothing() throws {
    let scene = try Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.send(0..<10)
    for receiver in 0..<2 { #expect(scene.received(receiver, 10) == Array(0..<10)) }
    try shell("ip -n \(scene.network.server) link del v0")
    #expect(eventually { scene.source.map { $0.lane != .kernel && !$0.laneReason.isEmpty } == true })
    #expect(scene.source?.packetsOnKernel == 10)
  }
}
