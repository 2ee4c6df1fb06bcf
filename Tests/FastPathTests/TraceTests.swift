import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// Looking at single packets of a running fast path.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct TraceTests {
  private let source = SourceID(rawValue: 1)

  @Test(arguments: KernelLaneTests.Cable.allCases) func showsWhatTheKernelForwards(_ cable: KernelLaneTests.Cable)
    throws
  {
    let scene = try KernelLaneTests.Scene(cable, receivers: 20)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(cable)
    scene.send(0..<5)
    #expect(scene.received(0, 5).count == 5)
    #expect(scene.call.told.traced.isEmpty, "nobody looks yet")
    try expectPackets(1000..<1010, of: scene.call, from: scene.publisher, to: scene.media) { scene.send($0) }
    for packet in scene.call.told.traced {
      #expect(packet.program == (cable == .xdp ? .xdp : .tc) && packet.verdict == "broadcast")
      #expect(packet.sinkCount == 20 && packet.sinks == (0..<16).map { SinkID(rawValue: $0) })
    }
    scene.call.fastPath.perform([.trace(source, every: 0)])
    waitUntilCarriedOut(scene.call)
    scene.send(2000..<2005)
    poll(nil, 0, 100)
    #expect(scene.call.told.traced.count == 10, "nobody looks any more")
  }

  @Test func showsWhatGoesToTheWorker() throws {
    let scene = try Scene(receivers: 3)
    defer { scene.stop() }
    try scene.warmUp()
    try expectPackets(41_000..<41_010, of: scene.call, from: scene.publisher, to: scene.media) { scene.send($0) }
    for packet in scene.call.told.traced {
      #expect(packet.program == .xdp && packet.verdict == "redirect_xsk" && packet.sinkCount == 3)
      #expect(Set(packet.sinks.map(\.rawValue)) == [0, 1, 2])
    }
  }

  /// The trace outlives a change of the source's lane.
  @Test func followsALaneChange() throws {
    let scene = try KernelLaneTests.Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.call.fastPath.perform([.trace(source, every: 1)])
    waitUntilCarriedOut(scene.call)
    scene.send(0..<1)
    #expect(eventually { scene.call.told.traced.last?.verdict == "broadcast" })
    // Nobody wants packets: the source is the worker's.
    scene.call.fastPath.perform([0, 1].map { .pauseSink(SinkID(rawValue: $0), true) })
    waitUntilCarriedOut(scene.call)
    scene.send(1..<2)
    #expect(eventually { scene.call.told.traced.last?.verdict == "redirect_xsk" })
    #expect(scene.call.told.traced.last?.sinkCount == 0)
  }

  @Test func aRemovedSourceEndsItsTrace() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    for round in 0..<40 {
      let id = SourceID(rawValue: 500 + UInt32(round))
      scene.call.fastPath.perform([
        .addSource(
          Source(
            id: id, transport: TransportID(rawValue: 1), ssrc: 900 + UInt32(round), kind: .video, clockRate: 90_000)),
        .trace(id, every: 1),
      ])
      waitUntilCarriedOut(scene.call)
      scene.call.fastPath.perform([.removeSource(id)])
      poll(nil, 0, 60)
    }
    #expect(scene.call.told.refusals.isEmpty, "more than can be traced at once, but one after the other")
  }

  @Test func saysWhyThereIsNothingToSee() throws {
    let call = try Call(FastPathConfiguration(mediaPort: 0, lane: .socket))
    defer { call.fastPath.stop() }
    let local = try #require(IPAddress("127.0.0.1"))
    call.connect(local, publisher: SocketAddress(local, 9), ssrc: 7, receivers: [])
    call.fastPath.perform([.trace(source, every: 1)])
    #expect(eventually { call.told.refusals == ["the configuration asks for the socket lane"] })
  }

  @Test func saysThatASourceIsUnknownOrThatThereAreTooMany() throws {
    let scene = try Scene(receivers: 1)
    defer { scene.stop() }
    scene.call.fastPath.perform([.trace(SourceID(rawValue: 4711), every: 1)])
    #expect(eventually { scene.call.told.refusals == ["the source is gone"] })
    for number in UInt32(100)..<117 {
      scene.call.fastPath.perform([
        .addSource(
          Source(
            id: SourceID(rawValue: number), transport: TransportID(rawValue: 1), ssrc: number, kind: .audio,
            clockRate: 48_000)), .trace(SourceID(rawValue: number), every: 1),
      ])
    }
    #expect(eventually { scene.call.told.refusals.last == "16 sources are being traced, and no more can be" })
    #expect(scene.call.told.refusals.count == 2)
  }

  @Test func attachedProgramsAreListed() throws {
    let scene = try KernelLaneTests.Scene(.xdp, receivers: 2)
    defer { scene.call.fastPath.stop() }
    scene.waitForKernel(.xdp)
    scene.send(0..<5)
    #expect(scene.received(0, 5).count == 5)
    #expect(eventually { scene.call.fastPath.statistics().sinks.allSatisfy { $0.packets == 5 } })
    let statistics = scene.call.fastPath.statistics()
    #expect(statistics.programs.map(\.name) == ["needletail_xdp", "needletail_copy", "needletail_tc"])
    #expect(statistics.programs.allSatisfy { $0.id > 0 })
    #expect(statistics.interfaces.first?.tcMode == "tcx" && statistics.interfaces.first?.tcReason == "")
    for sink in statistics.sinks {
      let sent = try #require(sink.lastSent)
      // The clock for this has a resolution of some milliseconds.
      #expect(sent.advanced(by: .milliseconds(20)) >= sink.firstSent ?? .zero)
      #expect(statistics.at.since(sent) < .seconds(60))
    }
  }

  // MARK: Steps

  /// Begins a trace and expects these packets in it, as they were sent.
  private func expectPackets(
    _ sequences: Range<Int>, of call: Call, from publisher: UDPClient, to media: SocketAddress,
    send: (Range<Int>) -> Void
  ) throws {
    call.fastPath.perform([.trace(source, every: 1)])
    waitUntilCarriedOut(call)
    send(sequences)
    #expect(eventually { call.told.traced.count == sequences.count }, "\(call.told.refusals)")
    #expect(call.told.traced.map { Int($0.sequence) } == Array(sequences))
    for packet in call.told.traced {
      #expect(packet.interface == "v0" && packet.tuple == FiveTuple(local: media, remote: publisher.address))
      #expect(packet.ssrc == 7 && packet.payloadType == 96 && !packet.marker && packet.length == 1012)
      #expect(packet.timestamp == UInt32(packet.sequence) &* 3000)
    }
  }

  /// Commands are carried out in order: when the sentinel's refusal is here, so is what came before.
  private func waitUntilCarriedOut(_ call: Call) {
    let before = call.told.sentinels
    call.fastPath.perform([.trace(Call.Told.sentinel, every: 1)])
    #expect(eventually { call.told.sentinels > before })
  }
}

extension Call.Told {
  static let sentinel = SourceID(rawValue: 0xffff_ffff)

  private var news: [TraceNews] {
    all.flatMap { event -> [TraceNews] in if case .traced(let news) = event { news } else { [] } }
  }

  var traced: [TracedPacket] { news.flatMap(\.packets) }
  var refusals: [String] { news.filter { $0.source != Self.sentinel }.compactMap(\.refusal) }
  var sentinels: Int { news.count { $0.source == Self.sentinel } }
}
