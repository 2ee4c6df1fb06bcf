import Forwarding
import RTP
import SFU
import Testing
import Wire

/// What operators and clients are told of losses and of what repairs them.
@Suite struct RepairReportTests {
  /// Ann publishes, Bob receives; both connected. Once a second there are counters and reports.
  private final class Call {
    let world: World
    let ann: Client
    let bob: Client
    let video: Source
    let retransmissions: Source
    let sink: Sink
    var counters: SourceStatistics
    var sent: SinkStatistics
    var received: ReportBlock
    var receivedAgain: ReportBlock

    init() throws {
      world = try World()
      ann = world.join("ann")
      bob = world.join("bob")
      try ann.publish()
      try bob.answer()
      let video = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
      self.video = video
      retransmissions = try #require(world.routes.sources.first { $0.repairs == video.id })
      sink = try #require(world.routes.sinks.first { $0.source == video.id })
      counters = SourceStatistics(id: video.id)
      counters.firstSequence = 1
      sent = SinkStatistics(id: sink.id)
      received = ReportBlock(ssrc: sink.ssrc, highestSequence: 5000)
      receivedAgain = ReportBlock(
        ssrc: try #require(sink.retransmission).ssrc, highestSequence: UInt32(sink.firstRetransmission) &- 1)
    }

    /// The worker's counters of now.
    func count(_ more: [SourceStatistics] = []) {
      var statistics = FastPathStatistics(at: world.now)
      statistics.sources = [counters] + more
      statistics.sinks = [sent]
      world.handle(.fastPath(.statistics(statistics)))
    }

    /// A second in which the publisher sends 100 packets.
    func send(arriving: UInt64, repaired: UInt64 = 0) {
      world.advance(.seconds(1))
      counters.packets += arriving
      counters.repaired += repaired
      counters.highestSequence += 100
      counters.lastArrival = world.now
      count()
    }

    /// A second in which the receiver is sent 100 packets.
    func report(lost: Int32, again: UInt32 = 0, lostAgain: Int32 = 0, tellsOfRepairs: Bool = true) {
      world.advance(.seconds(1))
      received.highestSequence += 100
      received.cumulativeLost += lost
      receivedAgain.highestSequence += again
      receivedAgain.cumulativeLost += lostAgain
      sent.retransmittedPackets += UInt64(again)
      count()
      let blocks = [received] + (tellsOfRepairs ? [receivedAgain] : [])
      bob.subscribing?.send([.receiverReport(ReceiverReport(ssrc: 5, blocks: blocks))])
    }

    private var peers: [PeerReport] {
      world.sfu.report(now: world.now).rooms.flatMap(\.participants).flatMap(\.peers)
    }
    var source: SourceReport? { peers.flatMap(\.sources).first { $0.ssrc == video.ssrc } }
    var repairs: SourceReport? { peers.flatMap(\.sources).first { $0.ssrc == retransmissions.ssrc } }
    var copy: SinkReport? { peers.flatMap(\.sinks).first { $0.ssrc == sink.ssrc } }
    /// The last that a client heard of the loss of its video.
    func quality(_ client: Client, _ direction: String) -> TrackQuality? {
      client.heard.flatMap { message -> [TrackQuality] in
        if case .quality(let tracks) = message { tracks.filter { $0.direction == direction } } else { [] }
      }.last { $0.loss > 0 }
    }
  }

  @Test func whatThePublishersWayLost() throws {
    let call = try Call()
    call.send(arriving: 100)
    #expect(call.source?.lossBeforeRepair == nil, "of one second nobody knows what was before")
    for second in 0..<12 { call.send(arriving: second % 2 == 0 ? 80 : 100, repaired: second % 2 == 0 ? 15 : 0) }
    #expect(call.source?.lossBeforeRepair == 0.1 && call.source?.lossAfterRepair == 0.025)
    let told = call.quality(call.ann, "send")
    #expect(told?.loss == 0.1 && told?.lossAfterRepair == 0.025)
  }

  @Test func whatTheReceiversWayLost() throws {
    let call = try Call()
    call.report(lost: 0, tellsOfRepairs: false)
    // Every fifth is lost and sent again; of what is sent again as well every fifth is lost, and sent once more.
    for _ in 0..<12 { call.report(lost: 20, again: 25, lostAgain: 5) }
    #expect(call.copy?.lossBeforeRepair == 0.2 && call.copy?.lossAfterRepair == 0)
    #expect(call.quality(call.bob, "receive")?.loss == 0.2)
    for _ in 0..<10 { call.report(lost: 20, again: 18, lostAgain: 3) }
    #expect(call.copy?.lossBeforeRepair == 0.2 && call.copy?.lossAfterRepair == 0.05)
    call.world.advance(.seconds(10))
    #expect(call.copy?.lossBeforeRepair == nil && call.copy?.lossAfterRepair == nil, "nothing was reported")
  }

  @Test func theFirstReportOnWhatWasSentAgainCountsToo() throws {
    let call = try Call()
    call.report(lost: 0, tellsOfRepairs: false)
    #expect(call.copy?.lossBeforeRepair == nil)
    call.report(lost: 0, tellsOfRepairs: false)
    #expect(call.copy?.lossAfterRepair == 0, "nothing was sent again")
    call.report(lost: 8, again: 8, tellsOfRepairs: true)
    #expect(call.copy?.lossBeforeRepair == 0.04 && call.copy?.lossAfterRepair == 0)
  }

  @Test func aReceiverThatDoesNotSayWhatRepairedIt() throws {
    let call = try Call()
    for _ in 0..<3 { call.report(lost: 10, again: 10, tellsOfRepairs: false) }
    #expect(call.copy?.lossBeforeRepair == 0.1 && call.copy?.lossAfterRepair == nil)
  }

  @Test func retransmissionsHaveNoJitterAndNothingRepairsThem() throws {
    let call = try Call()
    var counters = SourceStatistics(id: call.retransmissions.id)
    (counters.firstSequence, counters.highestSequence, counters.packets) = (1, 10, 10)
    call.count([counters])
    call.world.advance(.seconds(1))
    (counters.highestSequence, counters.packets) = (20, 19)
    call.count([counters])
    #expect(call.repairs?.lossBeforeRepair == 0.1 && call.repairs?.lossAfterRepair == nil)
    #expect(call.repairs?.jitterMilliseconds == nil && call.source?.jitterMilliseconds == 0)
  }

  @Test func whoGoesSilent() throws {
    let call = try Call()
    call.send(arriving: 100)
    call.send(arriving: 100)
    call.world.advance(.milliseconds(4900))
    #expect(call.source?.silentSeconds == nil && call.source?.lossBeforeRepair == 0)
    call.world.advance(.milliseconds(7100))
    #expect(call.source?.silentSeconds == 12 && call.source?.lossBeforeRepair == nil, "no loss of nothing")
    #expect(call.repairs?.silentSeconds == nil, "nothing has to be repaired")
    let track = try #require(call.source?.track)
    call.ann.say(.mute(track: track, muted: true))
    #expect(call.source?.silentSeconds == nil, "it is muted")
  }

  @Test func whoNeverSendsIsSilentFromTheStart() throws {
    let call = try Call()
    call.world.advance(.seconds(6))
    #expect(call.source?.silentSeconds == 6)
  }

  @Test func requestsAreCountedWhereTheyCameFromAndWent() throws {
    let call = try Call()
    let asked = call.source?.keyFrameRequests
    call.world.advance(.seconds(1))
    call.bob.subscribing?.send([.pli(PLI(senderSSRC: 1, mediaSSRC: call.sink.ssrc))])
    call.bob.subscribing?.send([.pli(PLI(senderSSRC: 1, mediaSSRC: call.sink.ssrc))])
    call.bob.subscribing?.send([.nack(NACK(senderSSRC: 1, mediaSSRC: call.sink.ssrc, lost: [7, 8]))])
    call.world.handle(.fastPath(.missing(call.video.id, [107, 108])))
    #expect(call.copy?.keyFrameRequests == 2 && call.copy?.nacksReceived == 1)
    #expect(call.source?.keyFrameRequests == asked.map { $0 + 1 }, "two at once are one")
    #expect(call.source?.nacksSent == 1)
  }

  @Test func howLongRepairsTake() throws {
    let call = try Call()
    call.count()
    #expect(call.source?.repairMilliseconds == nil && call.copy?.repairMilliseconds == nil)
    (call.counters.repaired, call.counters.repairNanoseconds) = (4, 100_000_000)
    call.counters.roundTrip = .milliseconds(20)
    (call.sent.retransmittedPackets, call.sent.repairNanoseconds) = (2, 1_000_000)
    call.count()
    #expect(call.source?.repairMilliseconds == 25 && call.source?.roundTripMilliseconds == 20)
    #expect(call.copy?.repairMilliseconds == 0.5)
  }
}
