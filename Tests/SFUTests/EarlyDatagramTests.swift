import Forwarding
import RTP
import SFU
import Testing
import Wire

/// What comes on a pair that works, before the client has nominated it or beside the one it has.
@Suite struct EarlyDatagramTests {
  private let world: World
  private let ann: Client
  private let eve: Client

  init() throws {
    world = try World()
    ann = world.join("ann")
    eve = world.join("eve", room: "elsewhere")
  }

  private var dropped: [String: UInt64] { world.sfu.report(now: world.now).counters.datagramsDropped }

  @Test func theClientMayBeginDTLSBeforeItNominates() throws {
    try ann.publish(connecting: false)
    let (peer, sdp) = (try #require(ann.publishing), try #require(ann.answers.last))
    try peer.check(by: sdp, nominate: false)
    peer.beginDTLS()
    #expect(dropped["unknown-peer"] == nil && world.routes.transports.isEmpty)
    try peer.check(by: sdp)
    #expect(world.routes.transports.map(\.tuple) == [peer.tuple], "the first ClientHello was kept")
  }

  @Test func withoutAGoodCheckItIsNobodys() throws {
    try ann.publish(connecting: false)
    try #require(ann.publishing).beginDTLS()
    #expect(dropped["unknown-peer"] == 1)
  }

  @Test func feedbackMayComeOnAnotherPairThatWorks() throws {
    try ann.publish()
    let bob = world.join("bob")
    try bob.answer()
    let peer = try #require(bob.subscribing)
    let sink = try #require(world.routes.sinks.first { $0.repairs == nil && $0.payloadTypes[96] != nil })
    let first = peer.tuple
    peer.roam()
    try peer.check(by: try #require(bob.offers.first?.sdp), nominate: false)
    let before = world.sfu.report(now: world.now).counters.plisReceived
    peer.send([.pli(PLI(senderSSRC: 1, mediaSSRC: sink.ssrc))])
    #expect(world.sfu.report(now: world.now).counters.plisReceived == before + 1)
    #expect(peer.tuple != first && !world.routes.contains { if case .moveTransport = $0 { true } else { false } })
    world.own(first, peer)
    try peer.check(by: try #require(bob.offers.first?.sdp))
    peer.send([.pli(PLI(senderSSRC: 1, mediaSSRC: sink.ssrc))], from: first)
    #expect(world.sfu.report(now: world.now).counters.plisReceived == before + 2, "nor is the former one forgotten")
  }

  @Test("Forged checks keep nothing from whom it is for", arguments: [false, true])
  func forgedChecks(nominating: Bool) throws {
    try ann.publish(connecting: false)
    try eve.publish(connecting: false)
    let (peer, sdp) = (try #require(ann.publishing), try #require(ann.answers.last))
    try peer.check(by: sdp, nominate: false)
    try #require(eve.publishing).check(
      by: try #require(eve.answers.last), nominate: nominating, from: peer.tuple)
    peer.beginDTLS()
    try peer.check(by: sdp)
    #expect(world.routes.transports.map(\.tuple) == [peer.tuple])
    #expect(dropped["address-in-use"] == 1)
  }

  @Test func whoClaimedAnAddressBeforeDoesNotGetWhatComesThereAlone() throws {
    try ann.publish(connecting: false)
    try eve.publish(connecting: false)
    let (peer, sdp) = (try #require(ann.publishing), try #require(ann.answers.last))
    try #require(eve.publishing).check(by: try #require(eve.answers.last), nominate: false, from: peer.tuple)
    world.advance(.seconds(8))
    try peer.check(by: sdp, nominate: false)
    peer.beginDTLS()
    try peer.check(by: sdp)
    #expect(world.routes.transports.map(\.tuple) == [peer.tuple])
  }
}
