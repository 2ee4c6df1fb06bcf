import Forwarding
import RTP
import SFU
import Testing
import Wire

/// A clear-RTP participant in a world: what the operator wrote, and what comes to its addresses.
final class Device {
  let world: World
  var form = RTPParticipantForm()

  init(_ name: String, _ direction: String, _ codecs: [(String, Int, Int?)], in world: World) {
    self.world = world
    form.room = "class"
    form.name = name
    form.direction = direction
    form.remote = "192.0.2.9:5004"
    form.codecs = codecs.map { name, type, ssrc in
      var codec = RTPParticipantForm.Codec()
      codec.codec = name
      codec.payloadType = type
      codec.ssrc = ssrc
      return codec
    }
  }

  @discardableResult func add() throws -> AdminOutcome {
    let participant = try form.read(rule: "a name") { !$0.isEmpty }
    let (outcome, commands) = world.sfu.administer(.addRTP(participant), now: world.now)
    world.take(commands)
    return outcome
  }

  func remove() {
    world.take(world.sfu.administer(.removeRTP(room: "class", name: form.name ?? ""), now: world.now).1)
  }

  var sdp: String? {
    guard
      case .described(let sdp) = world.sfu.administer(
        .describeRTP(room: "class", name: form.name ?? ""), now: world.now
      ).0
    else { return nil }
    return sdp
  }

  /// RTCP that was sent to this address, by default to the port after that of RTP.
  func rtcp(at remote: String = "192.0.2.9:5005") -> [[RTCPPacket]] {
    world.commands.compactMap {
      guard case .send(let bytes, let tuple) = $0, "\(tuple.remote)" == remote else { return nil }
      return try? RTCPPacket.decode(compound: bytes)
    }
  }

  func send(_ packets: [RTCPPacket], from remote: String = "192.0.2.9:5005") throws {
    let tuple = FiveTuple(
      local: SocketAddress(.v4(0x0a00_0001), 3478), remote: try #require(SocketAddress(remote)))
    world.handle(
      .fastPath(.datagram(bytes: RTCPPacket.encode(packets), tuple: tuple, receivedAt: world.now)))
  }
}

@Suite struct ClearRTPTests {
  @Test func aSenderIsLimitedAsTheOperatorSaysElseAsTheServerDoes() throws {
    for (packets, expected) in [(Int?.none, UInt32(70)), (500, 500), (0, 0)] {
      let world = try World(rateLimit: RateLimit(packetsPerSecond: 70))
      let camera = Device("camera", "send", [("vp8", 96, 7)], in: world)
      camera.form.maxPackets = packets
      #expect(try camera.add() == .done)
      #expect(try #require(world.routes.sources.first).rateLimit.packetsPerSecond == expected)
    }
  }

  private let report = SenderReport(
    ssrc: 7, ntp: NTPTime(rawValue: 0x1122_3344_5566_7788), rtpTimestamp: 5, packetCount: 9, octetCount: 9)

  @Test func aSenderIsSeenByBrowsersAndItsRoutesExistAtOnce() throws {
    let world = try World()
    let ann = world.join("ann")
    #expect(try Device("camera", "send", [("vp8", 96, 7)], in: world).add() == .done)
    let transport = try #require(world.routes.transports.first)
    guard case .clear = transport.protection else { return #expect(Bool(false), "not clear") }
    #expect("\(transport.tuple.remote)" == "192.0.2.9:5004" && "\(transport.tuple.local)" == "10.0.0.1:3478")
    let source = try #require(world.routes.sources.first)
    #expect(source.ssrc == 7 && source.transport == transport.id && source.kind == .video && source.clockRate == 90_000)
    let added = ann.heard.compactMap { if case .track(.added, _, let track) = $0 { track.codecs } else { nil } }
    #expect(added == [["VP8"]])
    try ann.answer()
    let sink = try #require(world.routes.sinks.first)
    #expect(sink.source == source.id && sink.payloadTypes[96] != nil && sink.mid != nil)
    let present = world.sfu.report(now: world.now).rooms.first?.participants.map(\.via)
    #expect(present == ["websocket", "rtp"])
  }

  @Test func aReceiverGetsEachTrackOfItsCodecsAsItAskedForIt() throws {
    let world = try World()
    let ann = world.join("ann")
    let recorder = Device("recorder", "receive", [("vp8", 100, 77), ("opus", 101, nil)], in: world)
    try recorder.add()
    #expect(ann.offers.isEmpty, "a receiver publishes nothing")
    try ann.publish()
    let clear = try #require(world.routes.transports.first)
    let sinks = world.routes.sinks
    #expect(sinks.count == 2 && sinks.allSatisfy { $0.transport == clear.id && $0.repairs == nil })
    #expect(sinks.allSatisfy { $0.mid == nil && $0.extensions.isEmpty }, "header extensions need an agreement")
    #expect(Set(sinks.flatMap(\.payloadTypes.values)) == [100, 101])
    #expect(sinks.first { $0.payloadTypes.values.contains(100) }?.ssrc == 77)
    #expect(ann.publishing?.rtcp.plis.isEmpty == false, "it needs a key frame like anyone else")
    let sdp = try #require(recorder.sdp)
    #expect(sdp.contains("m=video 5004 RTP/AVP 100\r\nc=IN IP4 192.0.2.9\r\na=rtpmap:100 VP8/90000\r\n"))
    #expect(sdp.contains("m=audio 5004 RTP/AVP 101\r\n") && sdp.contains("a=rtpmap:101 opus/48000/2\r\n"))
    #expect(sdp.contains("a=group:BUNDLE audio video\r\n") && sdp.contains("a=ssrc:77 cname:"))
  }

  @Test func keyPressesGoBesideTheSound() throws {
    let world = try World()
    let ann = world.join("ann")
    let phone = Device("phone", "send", [("pcmu", 0, 7), ("telephone-event", 101, nil), ("cn", 13, nil)], in: world)
    #expect(try phone.add() == .done)
    let recorder = Device("recorder", "receive", [("pcmu", 0, nil), ("telephone-event", 96, nil)], in: world)
    recorder.form.remote = "192.0.2.10:7000"
    #expect(try recorder.add() == .done)
    #expect(world.routes.sources.map(\.ssrc) == [7], "one track")
    #expect(world.routes.sinks.map(\.payloadTypes) == [[0: 0, 101: 96]])
    try ann.answer()
    #expect(world.routes.sinks.last?.payloadTypes == [0: 0, 101: 126, 13: 13])
    let alone = Device("keys", "send", [("telephone-event", 101, nil)], in: world)
    #expect(throws: RTPParticipantError.self, "there is no sound that they go beside") { try alone.add() }
  }

  @Test func audioAndVideoMayHaveAnAddressEach() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let recorder = Device("recorder", "receive", [("vp8", 96, nil), ("opus", 111, nil)], in: world)
    recorder.form.remote = nil
    recorder.form.remoteVideo = "192.0.2.9:6000"
    recorder.form.remoteAudio = "192.0.2.9:6002"
    try recorder.add()
    let remotes = Dictionary(
      uniqueKeysWithValues: world.routes.transports.map { ($0.id, "\($0.tuple.remote)") })
    for sink in world.routes.sinks {
      #expect(remotes[sink.transport] == (sink.payloadTypes.values.contains(96) ? "192.0.2.9:6000" : "192.0.2.9:6002"))
    }
    let sdp = try #require(recorder.sdp)
    #expect(sdp.contains("m=video 6000 ") && sdp.contains("m=audio 6002 ") && !sdp.contains("BUNDLE"))
  }

  @Test func oneAddressMaySendAndReceive() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    try Device("gateway", "both", [("opus", 111, 9)], in: world).add()
    #expect(world.routes.transports.count == 2, "one for ann, one for the gateway")
    let gateway = try #require(world.routes.transports.last)
    #expect(world.routes.sources.contains { $0.transport == gateway.id && $0.ssrc == 9 })
    let sink = try #require(world.routes.sinks.first)
    #expect(sink.transport == gateway.id && sink.ssrc != 9)
    let peers = world.sfu.report(now: world.now).rooms.first?.participants.last?.peers
    #expect(peers?.map(\.role) == [.publish, .subscribe])
    #expect(peers?.map(\.sinks.count) == [0, 1])
  }

  @Test func clearToClearAndOnlyFromWhoWasAskedFor() throws {
    let world = try World()
    try Device("camera", "send", [("h264", 96, 7)], in: world).add()
    let other = Device("other", "send", [("h264", 96, 8)], in: world)
    other.form.remote = "192.0.2.10:5004"
    try other.add()
    let recorder = Device("recorder", "receive", [("h264", 97, nil)], in: world)
    recorder.form.remote = "192.0.2.11:5004"
    recorder.form.from = "camera"
    try recorder.add()
    let sinks = world.routes.sinks
    #expect(sinks.map(\.payloadTypes) == [[96: 97]])
    #expect(sinks.first?.source == world.routes.sources.first?.id)
  }

  @Test func anSSRCThatWasNotGivenIsLearnedByPayloadType() throws {
    let world = try World()
    try Device("camera", "send", [("vp8", 96, nil), ("opus", 97, 5)], in: world).add()
    let transport = try #require(world.routes.transports.first)
    #expect(world.routes.sources.map(\.ssrc) == [5])
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 99, payloadType: 96))))
    #expect(world.routes.sources.map(\.ssrc) == [5, 99])
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 98, payloadType: 97))))
    #expect(world.routes.sources.map(\.ssrc) == [5, 99], "an SSRC that was given is the only one")
    world.advance(.seconds(2))
    world.handle(.fastPath(.unknownSource(transport.id, UnknownSource(ssrc: 100, payloadType: 96))))
    #expect(world.routes.sources.map(\.ssrc) == [5, 99, 100], "a sender that restarted")
  }

  @Test func rtcpGoesBothWaysInClear() throws {
    let world = try World()
    let ann = world.join("ann")
    let camera = Device("camera", "send", [("vp8", 96, 7)], in: world)
    try camera.add()
    try ann.answer()
    let sink = try #require(world.routes.sinks.first)
    let asked = try #require(camera.rtcp().first)
    #expect(asked.plis.map(\.mediaSSRC) == [7], "the join's")
    #expect(asked.receiverReports.count == 1, "a compound packet begins with a report")
    try camera.send([.senderReport(report)])
    #expect(ann.subscribing?.rtcp.senderReports.last?.ssrc == sink.ssrc)
    world.advance(.seconds(1))
    ann.subscribing?.send([.fir(FIR(senderSSRC: 1, entries: [.init(ssrc: sink.ssrc, sequenceNumber: 1)]))])
    #expect(camera.rtcp().flatMap(\.plis).count == 2)
    var counters = SourceStatistics(id: try #require(world.routes.sources.first?.id))
    counters.packets = 3
    counters.highestSequence = 2
    var statistics = FastPathStatistics(at: world.now)
    statistics.sources = [counters]
    world.handle(.fastPath(.statistics(statistics)))
    #expect(camera.rtcp().last?.receiverReports.first?.blocks.map(\.ssrc) == [7])
  }

  @Test func aReceiversFeedbackReachesTheBrowser() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let recorder = Device("recorder", "receive", [("vp8", 96, 77)], in: world)
    recorder.form.rtcp = "mux"
    try recorder.add()
    let source = try #require(world.routes.sinks.first?.source)
    let before = ann.publishing?.rtcp.plis.count ?? 0
    world.advance(.seconds(1))
    let pli = RTCPPacket.pli(PLI(senderSSRC: 1, mediaSSRC: 77))
    try recorder.send([pli], from: "192.0.2.9:5005")
    #expect(ann.publishing?.rtcp.plis.count == before, "from an address that is nobody's")
    try recorder.send([pli, .nack(NACK(senderSSRC: 1, mediaSSRC: 77, lost: [4]))], from: "192.0.2.9:5004")
    #expect(ann.publishing?.rtcp.plis.count == before + 1)
    let retransmissions = world.routes.compactMap { if case .retransmit(_, let lost) = $0 { lost } else { nil } }
    #expect(retransmissions == [[4]])
    let ssrc = try #require(world.routes.sources.first { $0.id == source }?.ssrc)
    var report = report
    report = SenderReport(ssrc: ssrc, ntp: report.ntp, rtpTimestamp: 5, packetCount: 9, octetCount: 9)
    ann.publishing?.send([.senderReport(report)])
    let forwarded = try #require(recorder.rtcp(at: "192.0.2.9:5004").last)
    #expect(forwarded.senderReports.map(\.ssrc) == [77])
    #expect(recorder.sdp?.contains("a=rtcp-mux\r\n") == true)
  }

  @Test func aReceiverThatCannotAskGetsKeyFramesNowAndThen() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let player = Device("player", "receive", [("vp8", 96, nil)], in: world)
    player.form.keyFrames = 10
    try player.add()
    let asked = { ann.publishing?.rtcp.plis.count ?? 0 }
    let before = asked()
    world.advance(.milliseconds(9_900))
    #expect(asked() == before)
    world.advance(.milliseconds(200))
    #expect(asked() == before + 1)
    world.advance(.seconds(5))
    try player.send([.receiverReport(ReceiverReport(ssrc: 5, blocks: []))])
    world.advance(.seconds(6))
    #expect(asked() == before + 1, "it can ask by itself")
  }

  @Test func removalEndsItsRoutesAndSaysGoodbye() throws {
    let world = try World()
    let ann = world.join("ann")
    try ann.publish()
    let gateway = Device("gateway", "both", [("opus", 111, 9)], in: world)
    try gateway.add()
    let ssrc = try #require(world.routes.sinks.first?.ssrc)
    let id = try #require(world.routes.transports.last?.id)
    gateway.remove()
    #expect(world.routes.removedTransports == [id])
    #expect(gateway.rtcp().last?.compactMap { if case .bye(let bye) = $0 { bye.ssrcs } else { nil } } == [[ssrc]])
    let left = ann.heard.compactMap { if case .participant(.left, let who) = $0 { who.name } else { nil } }
    #expect(left == ["gateway"])
    #expect(try gateway.add() == .done, "name and address are free again")
  }

  @Test func aByeEndsTheStreamAndTheSameSSRCMayComeBack() throws {
    let world = try World()
    let camera = Device("camera", "send", [("vp8", 96, 7)], in: world)
    try camera.add()
    let source = try #require(world.routes.sources.first)
    try camera.send([.bye(BYE(ssrcs: [7]))])
    #expect(world.routes.contains { if case .removeSource(source.id) = $0 { true } else { false } })
    world.handle(.fastPath(.unknownSource(source.transport, UnknownSource(ssrc: 7, payloadType: 96))))
    #expect(world.routes.sources.map(\.ssrc) == [7, 7])
  }

  @Test func aSilentSenderShows() throws {
    let world = try World()
    try Device("camera", "send", [("vp8", 96, nil)], in: world).add()
    let source = world.sfu.report(now: world.now).rooms.first?.participants.first?.peers.first?.sources.first
    #expect(source?.laneReason == "nothing received from 192.0.2.9:5004 yet" && source?.codec == "VP8")
  }

  @Test func operatorsHandleItLikeAnyParticipant() throws {
    let world = try World()
    let ann = world.join("ann")
    try Device("camera", "send", [("vp8", 96, 7)], in: world).add()
    try ann.answer()
    let sink = try #require(world.routes.sinks.first)
    let mute = AdminAction.mute(room: "class", participant: "camera", track: nil, muted: true)
    world.take(world.sfu.administer(mute, now: world.now).1)
    #expect(world.routes.contains { if case .pauseSink(sink.id, true) = $0 { true } else { false } })
    world.take(world.sfu.administer(.kick(room: "class", participant: "camera"), now: world.now).1)
    #expect(world.routes.removedTransports.count == 1)
  }

  @Test func aMulticastGroupMayReceive() throws {
    let world = try World()
    let group = Device("group", "receive", [("vp8", 96, nil)], in: world)
    group.form.remote = "239.1.2.3:5004"
    #expect(try group.add() == .done)
    #expect(group.sdp?.contains("c=IN IP4 239.1.2.3/1\r\n") == true)
    group.form.direction = "both"
    #expect(throws: RTPParticipantError.self) { try group.add() }
  }
}
