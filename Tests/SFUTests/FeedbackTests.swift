import Forwarding
import RTP
import SFU
import Testing
import Wire

@Suite struct FeedbackTests {
  /// Ann publishes, Bob receives; both connected.
  private struct Pair {
    let world: World
    let ann: Client
    let bob: Client
    let video: Source
    let sink: Sink

    init() throws {
      world = try World()
      ann = world.join("ann")
      bob = world.join("bob")
      try ann.publish()
      try bob.answer()
      let video = try #require(world.routes.sources.first { $0.kind == .video && $0.repairs == nil })
      self.video = video
      sink = try #require(world.routes.sinks.first { $0.source == video.id })
    }
  }

  @Test func keyFrameRequestsAreMergedToOnePerHalfSecond() throws {
    let pair = try Pair()
    #expect(pair.ann.publishing?.rtcp.plis.count == 1, "the join's")
    for _ in 0..<5 { pair.bob.subscribing?.send([.pli(PLI(senderSSRC: 1, mediaSSRC: pair.sink.ssrc))]) }
    #expect(pair.ann.publishing?.rtcp.plis.count == 1)
    pair.world.advance(.milliseconds(490))
    #expect(pair.ann.publishing?.rtcp.plis.count == 1)
    pair.world.advance(.milliseconds(20))
    #expect(pair.ann.publishing?.rtcp.plis.count == 2)
    pair.world.advance(.seconds(2))
    #expect(pair.ann.publishing?.rtcp.plis.count == 2, "nobody asked again")
    pair.bob.subscribing?.send([.fir(FIR(senderSSRC: 1, entries: [.init(ssrc: pair.sink.ssrc, sequenceNumber: 1)]))])
    #expect(pair.ann.publishing?.rtcp.plis.count == 3)
  }

  @Test func aNackGoesToTheWorkerAndWhatTheWorkerMissesToThePublisher() throws {
    let pair = try Pair()
    pair.bob.subscribing?.send([.nack(NACK(senderSSRC: 1, mediaSSRC: pair.sink.ssrc, lost: [7, 8]))])
    let asked = pair.world.routes.compactMap {
      if case .retransmit(let sink, let lost, _) = $0 { (sink, lost) } else { nil }
    }
    #expect(asked.map(\.0) == [pair.sink.id])
    #expect(asked.first?.1 == [7, 8])
    #expect(pair.video.answersNACKs && pair.video.codecs[96] == .vp8)
    pair.world.handle(.fastPath(.missing(pair.video.id, [107, 108])))
    pair.world.handle(.fastPath(.missing(pair.video.id, [108, 109])))
    #expect(pair.ann.publishing?.rtcp.nacks.map(\.lost) == [[107, 108], [108, 109]], "the worker knows when")
    #expect(pair.ann.publishing?.rtcp.nacks.first?.mediaSSRC == pair.video.ssrc)
  }

  @Test func whatCannotBeRepairedBecomesAKeyFrameRequest() throws {
    let pair = try Pair()
    pair.world.advance(.seconds(1))
    let before = pair.ann.publishing?.rtcp.plis.count ?? 0
    for _ in 0..<5 { pair.world.handle(.fastPath(.keyFrameNeeded(pair.video.id))) }
    #expect(pair.ann.publishing?.rtcp.plis.count == before + 1)
    pair.world.advance(.seconds(1))
    #expect(pair.ann.publishing?.rtcp.plis.count == before + 2, "those that came too soon are one more")
  }

  @Test func theWorkerIsToldOfTheShortestRoundTrip() throws {
    let pair = try Pair()
    func report(after delay: Interval) {
      let report = SenderReport(
        ssrc: pair.video.ssrc, ntp: NTPTime(rawValue: delay.nanoseconds << 16), rtpTimestamp: 5, packetCount: 9,
        octetCount: 9)
      pair.ann.publishing?.send([.senderReport(report)])
      pair.world.advance(delay)
      let block = ReportBlock(
        ssrc: pair.sink.ssrc, lastSenderReport: report.ntp.compact, delaySinceLastSenderReport: 0)
      pair.bob.subscribing?.send([.receiverReport(ReceiverReport(ssrc: 5, blocks: [block]))])
      pair.world.advance(.seconds(1))
    }
    for delay: UInt64 in [50, 75, 25, 50] { report(after: .milliseconds(delay)) }
    let told = pair.world.routes.compactMap { if case .roundTrip(let id, let time) = $0 { (id, time) } else { nil } }
    #expect(told.map(\.1) == [.milliseconds(50), .milliseconds(25)])
    #expect(told.allSatisfy { $0.0 == pair.sink.transport })
  }

  @Test func senderReportsAreRewrittenForEachReceiver() throws {
    let pair = try Pair()
    let report = SenderReport(
      ssrc: pair.video.ssrc, ntp: NTPTime(rawValue: 0x1122_3344_5566_7788), rtpTimestamp: 5, packetCount: 9,
      octetCount: 9)
    pair.ann.publishing?.send([.senderReport(report)])
    let forwarded = try #require(pair.bob.subscribing?.rtcp.senderReports.last)
    #expect(forwarded.ssrc == pair.sink.ssrc)
    #expect(forwarded.ntp == report.ntp)
    #expect(forwarded.rtpTimestamp == 5 &+ pair.sink.timestampOffset)
    let cname = pair.bob.subscribing?.rtcp.compactMap {
      if case .sdes(let sdes) = $0 { sdes.cname(of: pair.sink.ssrc) } else { nil }
    }
    #expect(cname == [try #require(pair.ann.joined?.id)])
  }

  @Test func senderReportsGoOnOnceInAFifthOfASecond() throws {
    let pair = try Pair()
    func send(_ count: UInt32, of source: UInt32) {
      for n in 0..<count {
        let report = SenderReport(
          ssrc: source, ntp: NTPTime(rawValue: UInt64(n) << 32), rtpTimestamp: n, packetCount: n, octetCount: n)
        pair.ann.publishing?.send([.senderReport(report)])
      }
    }
    var forwarded: Int { pair.bob.subscribing?.rtcp.senderReports.count ?? 0 }
    let audio = try #require(pair.world.routes.sources.first { $0.kind == .audio })
    send(40, of: pair.video.ssrc)
    send(40, of: audio.ssrc)
    #expect(forwarded == 2)
    pair.world.advance(.milliseconds(175))
    send(1, of: pair.video.ssrc)
    #expect(forwarded == 2)
    pair.world.advance(.milliseconds(25))
    send(1, of: pair.video.ssrc)
    #expect(forwarded == 3)
  }

  @Test func senderReportsStopWithAMuteAndReachWhoJoinedMeanwhile() throws {
    let pair = try Pair()
    let track = try #require(
      pair.bob.heard.lazy.compactMap {
        if case .track(.added, _, let info) = $0, info.kind == "video" { info.id } else { nil }
      }.first)
    func report(_ n: UInt32) {
      pair.world.advance(.milliseconds(200))
      let report = SenderReport(
        ssrc: pair.video.ssrc, ntp: NTPTime(rawValue: UInt64(n) << 32), rtpTimestamp: n, packetCount: n, octetCount: n)
      pair.ann.publishing?.send([.senderReport(report)])
    }
    pair.ann.say(.mute(track: track, muted: true))
    let cy = pair.world.join("cy")
    try cy.answer()
    report(1)
    #expect(pair.bob.subscribing?.rtcp.senderReports.isEmpty == true)
    #expect(cy.subscribing?.rtcp.senderReports.isEmpty == true)
    pair.ann.say(.mute(track: track, muted: false))
    report(2)
    #expect(pair.bob.subscribing?.rtcp.senderReports.count == 1)
    #expect(cy.subscribing?.rtcp.senderReports.count == 1)
  }

  @Test func publishersGetReceiverReportsFromTheWorkersCounters() throws {
    let pair = try Pair()
    let report = SenderReport(
      ssrc: pair.video.ssrc, ntp: NTPTime(rawValue: 0x1122_3344_5566_7788), rtpTimestamp: 5, packetCount: 9,
      octetCount: 9)
    pair.ann.publishing?.send([.senderReport(report)])
    pair.world.advance(.milliseconds(500))
    var counters = SourceStatistics(id: pair.video.id)
    counters.packets = 75
    counters.firstSequence = 1
    counters.highestSequence = 100
    counters.jitter = 42
    var statistics = FastPathStatistics(at: pair.world.now)
    statistics.sources = [counters]
    pair.world.handle(.fastPath(.statistics(statistics)))
    let block = try #require(pair.ann.publishing?.rtcp.receiverReports.last?.blocks.first)
    #expect(block.ssrc == pair.video.ssrc)
    #expect(block.cumulativeLost == 25)
    #expect(block.fractionLost == 64)
    #expect(block.highestSequence == 100)
    #expect(block.jitter == 42)
    #expect(block.lastSenderReport == 0x3344_5566)
    #expect(block.delaySinceLastSenderReport == 32_768)
  }

  @Test func arrivalsBecomeTransportWideFeedback() throws {
    let pair = try Pair()
    let transport = try #require(pair.world.routes.transports.first)
    let arrivals = (0..<10).map {
      TransportWideArrival(sequence: 500 + UInt16($0), at: pair.world.now.advanced(by: .milliseconds(UInt64($0))))
    }
    pair.world.handle(.fastPath(.arrivals(transport.id, arrivals)))
    var reported: [UInt16] = []
    for case .transportFeedback(let feedback) in pair.ann.publishing?.rtcp ?? [] {
      reported += feedback.arrivals.map(\.sequence)
    }
    #expect(reported == arrivals.map(\.sequence))
  }

  @Test func receiversReportsAreShown() throws {
    let pair = try Pair()
    let block = ReportBlock(ssrc: pair.sink.ssrc, fractionLost: 64, jitter: 90)
    pair.bob.subscribing?.send([.receiverReport(ReceiverReport(ssrc: 5, blocks: [block]))])
    let report = pair.world.sfu.report(now: pair.world.now)
    let sinks = report.rooms.flatMap(\.participants).flatMap(\.peers).flatMap(\.sinks)
    #expect(sinks.first { $0.ssrc == pair.sink.ssrc }?.reportedLoss == 0.25)
    #expect(sinks.first { $0.ssrc == pair.sink.ssrc }?.reportedJitterMilliseconds == 1)
  }

  @Test func feedbackOnSSRCsOfOthersIsIgnored() throws {
    let pair = try Pair()
    pair.bob.subscribing?.send([.pli(PLI(senderSSRC: 1, mediaSSRC: pair.video.ssrc))])
    pair.bob.subscribing?.send([.nack(NACK(senderSSRC: 1, mediaSSRC: pair.video.ssrc, lost: [1]))])
    pair.world.advance(.seconds(1))
    #expect(pair.ann.publishing?.rtcp.plis.count == 1)
    #expect(!pair.world.routes.contains { if case .retransmit = $0 { true } else { false } })
  }
}
