import Forwarding
import SFU
import Testing
import Wire

/// Operators who look at single packets.
@Suite struct TraceTests {
  private struct Scene {
    let world: World
    let source: Source
    let sink: Sink

    init() throws {
      world = try World()
      try Device("camera", "send", [("vp8", 96, 7)], in: world).add()
      let recorder = Device("recorder", "receive", [("vp8", 100, nil)], in: world)
      recorder.form.remote = "192.0.2.10:6000"
      try recorder.add()
      source = try #require(world.routes.sources.first)
      sink = try #require(world.routes.sinks.first)
      _ = world.takeCommands()
    }

    func trace(every: UInt32 = 1, after: UInt64? = nil) -> TraceOutcome {
      let (outcome, commands) = world.sfu.trace(
        TraceRequest(source: source.id.rawValue, every: every, after: after), now: world.now)
      world.take(commands)
      return outcome
    }

    func report(every: UInt32 = 1, after: UInt64? = nil) throws -> TraceReport {
      guard case .traced(let report) = trace(every: every, after: after) else { throw Failure() }
      return report
    }

    func tell(_ sequences: Range<Int>, missed: UInt64 = 0, refusal: String? = nil) {
      var news = TraceNews(source: source.id)
      news.packets = sequences.map { sequence in
        var packet = TracedPacket(
          tuple: FiveTuple(local: SocketAddress(.v4(1), 1), remote: SocketAddress(.v4(2), 2)))
        (packet.sequence, packet.number) = (UInt16(sequence), UInt32(sequence))
        (packet.sinkCount, packet.sinks) = (1, [sink.id])
        return packet
      }
      (news.missed, news.refusal) = (missed, refusal)
      world.handle(.fastPath(.traced([news])))
    }

    /// The samplings that the fast path was told.
    var orders: [UInt32] {
      world.routes.compactMap { if case .trace(source.id, let every) = $0 { every } else { nil } }
    }
  }

  private struct Failure: Error {}

  @Test func everyoneSeesWhatCameSinceTheyLastAsked() throws {
    let scene = try Scene()
    let start = try scene.report()
    #expect(start.packets.isEmpty && start.next == 0 && scene.orders == [1])
    scene.tell(0..<3)
    let first = try scene.report(after: 0)
    #expect(first.packets.map(\.sequence) == [0, 1, 2] && first.next == 3)
    scene.tell(3..<5, missed: 9)
    let second = try scene.report(after: first.next)
    #expect(second.packets.map(\.sequence) == [3, 4] && second.next == 5 && second.missed == 9)
    #expect(try scene.report().packets.isEmpty, "whoever begins sees nothing older")
    #expect(try scene.report(after: 1).packets.map(\.sequence) == [1, 2, 3, 4], "another one is not deprived")
    #expect(scene.orders == [1], "one order is enough")
    let sink = try #require(second.sinks[scene.sink.id])
    #expect(sink.remote == "192.0.2.10:6000" && sink.name == "recorder" && sink.ssrc == scene.sink.ssrc)
  }

  @Test func endsWhenNobodyAsks() throws {
    let scene = try Scene()
    _ = try scene.report(every: 5)
    for _ in 0..<19 { scene.world.advance(.milliseconds(100)) }
    _ = try scene.report(every: 5, after: 0)
    for _ in 0..<19 { scene.world.advance(.milliseconds(100)) }
    #expect(scene.orders == [5])
    scene.world.advance(.milliseconds(100))
    #expect(scene.orders == [5, 0])
    scene.tell(0..<3)
    #expect(try scene.report(after: 0).packets.isEmpty, "nobody had asked for these")
  }

  @Test func theFinestSamplingServesAllAndEachSeesItsOwn() throws {
    let scene = try Scene()
    _ = try scene.report(every: 100)
    _ = try scene.report(every: 10)
    _ = try scene.report(every: 100)
    #expect(scene.orders == [100, 10])
    scene.tell(0..<500)
    let coarse = try scene.report(every: 100, after: 0)
    #expect(coarse.packets.map(\.sequence) == [0, 100, 200, 300, 400] && coarse.next == 500)
    #expect(try scene.report(every: 250, after: 1).packets.map(\.sequence) == [250])
    for _ in 0..<21 {
      scene.world.advance(.milliseconds(100))
      _ = try scene.report(every: 100, after: 0)
    }
    #expect(scene.orders == [100, 10, 100], "whoever looked closely has gone")
  }

  @Test func keepsAndTellsSoMuchAndNoMore() throws {
    let scene = try Scene()
    _ = try scene.report()
    scene.tell(0..<5000)
    let first = try scene.report(after: 0)
    #expect(first.packets.count == 1024 && first.packets.first?.sequence == 904 && first.overrun == 904)
    #expect(first.next == 904 + 1024)
    #expect(try scene.report(after: first.next).packets.first?.sequence == 904 + 1024)
  }

  @Test func saysWhyThereIsNothingToSee() throws {
    let scene = try Scene()
    guard case .notFound(let what) = scene.world.sfu.trace(TraceRequest(source: 999), now: scene.world.now).0 else {
      throw Failure()
    }
    #expect(what == "there is no source 999")
    _ = try scene.report()
    scene.tell(0..<0, refusal: "eth0: no XDP")
    guard case .refused(let why) = scene.trace(after: 0) else { throw Failure() }
    #expect(why.contains("eth0: no XDP") && why.contains("needlectl doctor") && why.contains("udp port 3478"))
    _ = try scene.report()
    #expect(scene.orders == [1, 1], "it may be otherwise now")
  }

  @Test func goesWithItsSource() throws {
    let scene = try Scene()
    _ = try scene.report()
    scene.world.take(scene.world.sfu.administer(.close(room: "class"), now: scene.world.now).1)
    guard case .notFound = scene.trace(after: 0) else { throw Failure() }
    for _ in 0..<30 { scene.world.advance(.milliseconds(100)) }
    #expect(scene.orders == [1], "the fast path ends it itself")
  }
}
