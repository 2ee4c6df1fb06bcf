import FastPath
import Forwarding
import Glibc
import SRTP
import Testing
import Wire

/// Clear RTP past the worker, over a cable between namespaces.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct KernelLaneTests {
  /// How the server's end of the cable is, and what follows from it.
  enum Cable: String, CaseIterable {
    case xdp = "XDP"
    /// The other end has neither GRO nor a program: what XDP sends would be lost.
    case tc = "TC"
  }

  struct Scene {
    let network: Network
    let call: Call
    let publisher: UDPClient
    let receivers: [UDPClient]
    let media: SocketAddress

    init(_ cable: Cable, receivers count: Int, local: String = "10.9.0.1", remote: String = "10.9.0.2") throws {
      let network = try Network()
      self.network = network
      try shell("ip netns exec \(network.client) ethtool -K v1 gro \(cable == .xdp ? "on" : "off")")
      call = try network.onServer { try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["v0"])) }
      publisher = try network.onClient { try UDPClient(remote) }
      receivers = try network.onClient { try (0..<count).map { _ in try UDPClient(remote) } }
      let ip = try #require(IPAddress(local))
      media = SocketAddress(ip, call.fastPath.boundPort)
      call.connect(ip, publisher: publisher.address, ssrc: 7, receivers: receivers.map(\.address))
    }

    func waitForKernel(_ cable: Cable) {
      let isReady = eventually { source?.lane == .kernel && source?.laneReason.hasPrefix(cable.rawValue) == true }
      #expect(isReady, "\(String(describing: source)) \(call.told.lines)")
    }

    var source: SourceStatistics? { call.fastPath.statistics().sources.first }

    func send(_ sequences: Range<Int>) {
      for sequence in sequences {
        publisher.send(Call.packet(UInt16(truncatingIfNeeded: sequence), ssrc: 7, payloadLength: 1000), to: media)
      }
    }

    /// The sequence numbers that a receiver got, in order of arrival: those of `count` packets, however late they come
    /// on a busy machine, and of what comes within `patience` milliseconds after them.
    func received(_ receiver: Int, _ count: Int = 0, patience: CInt = 100) -> [Int] {
      var found: [Int] = []
      while let (bytes, from) = receivers[receiver].receive(milliseconds: found.count < count ? 30_000 : patience) {
        #expect(from == media && Call.ssrc(bytes) == 1000 + UInt32(receiver) && bytes[1] == 100)
        #expect(bytes.count == 1012 && bytes[12...] == Call.packet(0, ssrc: 7, payloadLength: 1000)[12...])
        found.append(Int(bytes[2]) << 8 | Int(bytes[3]))
      }
      return found
    }
  }

  @Test(arguments: [(Cable.xdp, 1), (.xdp, 2), (.xdp, 10), (.xdp, 200), (.tc, 1), (.tc, 2), (.tc, 10), (.tc, 300)])
  func everySinkGetsEveryPacketFromTheKernel(_ cable: Cable, _ count: Int) throws {
    let scene = try Scene(cable, receivers: count)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(cable)
    for sequence in 1000..<1020 {
      scene.send(sequence..<sequence + 1)
      poll(nil, 0, 2)
    }
    for receiver in 0..<count {
      #expect(scene.received(receiver, 20, patience: 20) == Array(1000..<1020), "receiver \(receiver)")
    }
    #expect(eventually { scene.call.fastPath.statistics().sinks.allSatisfy { $0.packetsOnKernel == 20 } })
    let statistics = scene.call.fastPath.statistics()
    #expect(scene.source?.packetsOnKernel == 20 && scene.source?.packets == 20)
    #expect(scene.source?.highestSequence == 1019 && scene.source?.firstSequence == 1000)
    #expect(statistics.sinks.allSatisfy { $0.packets == 20 && $0.bytes == 20 * 1012 && $0.payloadOctets == 20_000 })
    #expect(statistics.sinks.allSatisfy { $0.lane == .kernel && $0.firstSent != nil })
  }

  @Test(arguments: Cable.allCases) func forwardsIPv6(_ cable: Cable) throws {
    let scene = try Scene(cable, receivers: 3, local: "fd09::1", remote: "fd09::2")
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(cable)
    scene.send(1..<11)
    for receiver in 0..<3 { #expect(scene.received(receiver, 10) == Array(1..<11)) }
    #expect(eventually { scene.source?.packetsOnKernel == 10 })
  }

  /// While packets flow, receivers come and go; those that stay miss and repeat nothing.
  @Test(arguments: Cable.allCases) func joinsAndLeavesTouchNobodyElse(_ cable: Cable) throws {
    let scene = try Scene(cable, receivers: 6)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(cable)
    let tuple = { (receiver: Int) in FiveTuple(local: scene.media, remote: scene.receivers[receiver].address) }
    for round in 0..<200 {
      let sink = SinkID(rawValue: 5000 + UInt32(round))
      if round % 2 == 0 {
        let transport = TransportID(rawValue: 5000 + UInt32(round))
        scene.call.fastPath.perform([
          .addTransport(Transport(id: transport, tuple: tuple(5), protection: .clear)),
          .addSink(
            Sink(id: sink, source: SourceID(rawValue: 1), transport: transport, ssrc: 1005, payloadTypes: [96: 100])),
        ])
      } else {
        scene.call.fastPath.perform([.removeTransport(TransportID(rawValue: 4999 + UInt32(round)))])
      }
      scene.send(round * 10..<round * 10 + 10)
      poll(nil, 0, 1)
    }
    for receiver in 0..<5 { #expect(scene.received(receiver, 2000) == Array(0..<2000), "receiver \(receiver)") }
    #expect(eventually { scene.source?.packets == 2000 })
    #expect(scene.source?.packetsOnKernel == 2000)
  }

  /// An encrypted receiver joins and leaves, again and again, while packets flow over a rollover.
  @Test(arguments: Cable.allCases) func changesLanesWithoutLoss(_ cable: Cable) throws {
    let scene = try Scene(cable, receivers: 3)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(cable)
    let other = try scene.network.onClient { try UDPClient("10.9.0.2") }
    let keys = try #require(
      SRTPKeys(
        profile: .aes128CMHMACSHA180, masterKey: [UInt8](repeating: 1, count: 16),
        masterSalt: [UInt8](repeating: 2, count: 14)))
    let first = 60_000
    var found: [[Int]] = [[], [], []]
    for round in 0..<100 {
      let id = 6000 + UInt32(round / 2)
      if round % 2 == 0 {
        scene.call.fastPath.perform([
          .addTransport(
            Transport(
              id: TransportID(rawValue: id), tuple: FiveTuple(local: scene.media, remote: other.address),
              protection: .srtp(inbound: keys, outbound: keys))),
          .addSink(
            Sink(
              id: SinkID(rawValue: id), source: SourceID(rawValue: 1), transport: TransportID(rawValue: id), ssrc: 9,
              payloadTypes: [96: 100])),
        ])
      } else {
        scene.call.fastPath.perform([.removeTransport(TransportID(rawValue: id))])
      }
      for packet in 0..<100 {
        let sequence = first + round * 100 + packet
        scene.send(sequence..<sequence + 1)
        if packet % 20 == 19 { poll(nil, 0, 1) }
      }
      for receiver in 0..<3 { found[receiver] += scene.received(receiver, patience: 0) }
      while other.receive(milliseconds: 0) != nil {}
    }
    let expected = (0..<10_000).map { (first + $0) & 0xffff }
    for receiver in 0..<3 {
      let all = found[receiver] + scene.received(receiver, expected.count - found[receiver].count)
      #expect(all.count == expected.count && Set(all) == Set(expected), "receiver \(receiver): \(all.count)")
    }
    #expect(eventually { scene.source?.packets == 10_000 })
    let source = try #require(scene.source)
    #expect(source.packetsOnKernel > 1000 && source.packetsOnXSK + source.packetsOnSocket > 1000, "\(source)")
    #expect(source.highestSequence == UInt32(first + 9_999))
  }

  /// The worker has heard it then, but not counted it.
  @Test func aSourceKnownByItsPacketsIsCountedFromTheNext() throws {
    let scene = try Scene(.xdp, receivers: 1)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.publisher.send(Call.packet(500, ssrc: 8), to: scene.media)
    #expect(
      eventually {
        scene.call.told.all.contains { if case .unknownSource(_, let new) = $0 { new.ssrc == 8 } else { false } }
      })
    scene.call.fastPath.perform([
      .addSource(
        Source(
          id: SourceID(rawValue: 2), transport: TransportID(rawValue: 1), ssrc: 8, kind: .video, clockRate: 90_000)),
      .addSink(
        Sink(
          id: SinkID(rawValue: 2), source: SourceID(rawValue: 2), transport: TransportID(rawValue: 100), ssrc: 2,
          payloadTypes: [96: 100])),
    ])
    func source() -> SourceStatistics? { scene.call.fastPath.statistics().sources.first { $0.id.rawValue == 2 } }
    #expect(eventually { source()?.lane == .kernel })
    for sequence in UInt16(501)..<511 { scene.publisher.send(Call.packet(sequence, ssrc: 8), to: scene.media) }
    #expect(eventually { source()?.packetsOnKernel == 10 })
    #expect(source()?.firstSequence == 501 && source()?.highestSequence == 510)
  }

  /// No packet takes a way of XDP's that is gone.
  @Test func whereXDPCannotSendAnyMoreTCDoesUntilItCan() throws {
    let scene = try Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    var sent = 0
    func goes(by cable: Cable) -> Bool {
      eventually(seconds: 30) {
        scene.send(sent..<sent + 1)
        sent += 1
        return scene.source?.lane == .kernel && scene.source?.laneReason.hasPrefix(cable.rawValue) == true
      }
    }
    for (gro, cable) in [("off", Cable.tc), ("on", .xdp)] {
      try shell("ip netns exec \(scene.network.client) ethtool -K v1 gro \(gro)")
      #expect(goes(by: cable), "\(String(describing: scene.source))")
    }
    #expect(scene.call.fastPath.statistics().count("xdp_drop_no_way") == 0)
    #expect(eventually { scene.source?.packetsOnKernel == UInt64(sent) })
  }

  @Test func aPauseLeavesNoGap() throws {
    let scene = try Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.send(0..<100)
    #expect(scene.received(0, 100).count == 100)
    scene.call.fastPath.perform([.pauseSink(SinkID(rawValue: 0), true)])
    poll(nil, 0, 50)
    scene.send(100..<200)
    poll(nil, 0, 50)
    scene.call.fastPath.perform([.pauseSink(SinkID(rawValue: 0), false)])
    poll(nil, 0, 50)
    for sequence in 200..<300 {
      scene.send(sequence..<sequence + 1)
      if sequence % 10 == 0 { poll(nil, 0, 30) }
    }
    #expect(scene.received(0, 100) == Array(100..<200))
    #expect(scene.received(1, 300) == Array(0..<300))
    #expect(eventually { scene.source?.packets == 300 })
    #expect((scene.source?.packetsOnKernel ?? 0) > 200)
  }

  @Test func holdsASourceToItsRate() throws {
    let scene = try Scene(.xdp, receivers: 1)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.call.fastPath.perform([.removeSource(SourceID(rawValue: 1))])
    var source = Source(
      id: SourceID(rawValue: 2), transport: TransportID(rawValue: 1), ssrc: 7, kind: .video, clockRate: 90_000)
    source.rateLimit = RateLimit(packetsPerSecond: 400)
    scene.call.fastPath.perform([
      .addSource(source),
      .addSink(
        Sink(
          id: SinkID(rawValue: 7), source: source.id, transport: TransportID(rawValue: 100), ssrc: 1000,
          payloadTypes: [96: 100])),
    ])
    #expect(eventually { scene.source?.id == source.id && scene.source?.lane == .kernel })
    let start = Instant.now
    scene.send(0..<1000)
    let seconds = Double(Instant.now.since(start).nanoseconds) / 1e9
    let count = scene.received(0).count
    #expect(count >= 100, "a quarter of a second's worth at once")
    #expect(Double(count) < 110 + 400 * seconds && count < 1000, "\(count) in \(seconds) s")
    #expect(eventually { scene.source?.rateLimited == UInt64(1000 - count) })
  }

  /// Copies are checked by the receiving kernel only if the cable does not vouch for them.
  @Test(arguments: Cable.allCases, [true, false])
  func checksumsAreRightWhoeverComputesThem(_ cable: Cable, _ isFinished: Bool) throws {
    let scene = try Scene(cable, receivers: 2)
    defer { scene.call.fastPath.stop() }
    try shell(
      "ip netns exec \(scene.network.client) ethtool -K v1 rx off tx \(isFinished ? "off" : "on") >/dev/null; "
        + "ip netns exec \(scene.network.client) ethtool -K v1 gro \(cable == .xdp ? "on" : "off")", mayFail: true)
    scene.waitForKernel(cable)
    scene.send(0..<20)
    for receiver in 0..<2 { #expect(scene.received(receiver, 20) == Array(0..<20)) }
    #expect(eventually { scene.source?.packetsOnKernel == 20 })
  }
}

extension Instant {
  fileprivate static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }
}
