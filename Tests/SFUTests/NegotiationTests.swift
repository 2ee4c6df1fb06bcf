import Forwarding
import SDP
import SFU
import Testing
import Wire

/// What becomes of the offers of a subscribe peer.
@Suite struct NegotiationTests {
  let world: World
  let ann: Client
  let bob: Client

  init() throws {
    world = try World()
    ann = world.join("ann")
    bob = world.join("bob")
    try ann.publish()
  }

  private func usernameFragment(_ sdp: String) -> Substring? {
    sdp.firstRange(of: "a=ice-ufrag:").map { sdp[$0.upperBound...].prefix { !$0.isNewline } }
  }

  @Test func tracksOfOneStreamStayInOneStream() throws {
    let offer = try SessionDescription.parse(try #require(bob.offers.last?.sdp))
    let published = try SessionDescription.parse(
      try Vectors.offer("chromium-156-sendonly-av", as: BrowserPeer(in: world)))
    let streams = Set(published.media.flatMap(\.msids).map(\.stream))
    let ann = try #require(ann.joined?.id)
    #expect(Set(offer.media.flatMap(\.msids).map(\.stream)) == Set(streams.map { String("\(ann)-\($0)".prefix(64)) }))
  }

  @Test func aRestartOfTheSubscribePeerIsAnOffer() throws {
    try bob.answer()
    let before = usernameFragment(bob.offers[0].sdp)
    bob.say(.restart(target: .subscribe, sdp: nil))
    #expect(bob.offers.count == 2)
    #expect(usernameFragment(bob.offers[1].sdp) != before)
    try bob.answer()
    #expect(bob.offers.count == 2 && bob.errors.isEmpty)
  }

  @Test func aRestartWaitsForTheAnswerToTheOfferInFlight() throws {
    bob.say(.restart(target: .subscribe, sdp: nil))
    #expect(bob.offers.count == 1)
    try bob.answer()
    #expect(bob.offers.count == 2)
    #expect(usernameFragment(bob.offers[1].sdp) != usernameFragment(bob.offers[0].sdp))
    #expect(bob.errors.isEmpty)
  }

  @Test func theAnswerInFlightIsNoneToTheRestart() throws {
    bob.say(.restart(target: .subscribe, sdp: nil))
    try bob.answer()
    try bob.subscribing?.check(by: bob.offers[1].sdp, fragment: "newer")
    #expect(world.sfu.report(now: world.now).counters.iceRefusals["401-wrong-username"] == nil)
  }

  @Test func anSSRCThatWaitedTooLongIsReplaced() throws {
    let cy = world.join("cy")
    try cy.publish(connecting: false)
    try bob.answer()
    try bob.answer()
    let waiting = try #require(bob.offers.last)
    let tracks = waiting.tracks.values.map(\.track)
    let cys = waiting.tracks.values.filter { $0.participant == cy.joined?.id }.map(\.track)
    for _ in 0..<1000 {
      bob.say(.subscribe(tracks: cys, quality: nil))
      bob.say(.subscribe(tracks: tracks, quality: nil))
    }
    for _ in 0..<2 { try bob.answer() }
    let latest = try #require(world.routes.sinks.map(\.ssrc).max())
    try cy.publishing?.connect(by: try #require(cy.answers.last))
    try bob.answer()
    let added = world.routes.sinks.suffix(2)
    #expect(added.allSatisfy { $0.ssrc > latest }, "the fast path knows no older ones")
    #expect(added.allSatisfy { bob.offers.last?.sdp.contains("a=ssrc:\($0.ssrc) ") == true })
  }

  @Test func aLaterAnswerEndsAndResumesACopy() throws {
    try bob.answer()
    let audio = try #require(world.routes.sources.first { $0.kind == .audio })
    let sink = try #require(world.routes.sinks.first { $0.source == audio.id })
    bob.say(.restart(target: .subscribe, sdp: nil))
    try bob.answer { $0.replacing("a=recvonly", with: "a=inactive", maxReplacements: 1) }
    #expect(world.routes.removedSinks == [sink.id])
    bob.say(.restart(target: .subscribe, sdp: nil))
    try bob.answer()
    #expect(world.routes.sinks.count == 3)
    #expect(world.routes.sinks.last?.ssrc == sink.ssrc && world.routes.sinks.last?.source == audio.id)
    bob.say(.restart(target: .subscribe, sdp: nil))
    try bob.answer()
    #expect(world.routes.removedSinks.count == 1, "an answer that says the same changes nothing")
  }

  @Test func aLaterAnswerWithOtherPayloadTypesMakesTheCopiesAnew() throws {
    try bob.answer()
    let first = world.routes.sinks
    bob.say(.restart(target: .subscribe, sdp: nil))
    try bob.answer { $0.replacing("96 VP8/90000", with: "96 gone/90000") }
    #expect(world.routes.removedSinks.count == 1, "the video")
    let renewed = world.routes.sinks.dropFirst(first.count)
    #expect(renewed.count == 1 && renewed.allSatisfy { $0.payloadTypes[96] == nil })
    #expect(Set(renewed.map(\.ssrc)).isSubset(of: first.map(\.ssrc)))
    #expect(renewed.first?.retransmission?.payloadTypes[96] == nil)
  }

  @Test func whoRefusesEverythingHearsOfWhatComesNext() throws {
    try bob.answer { $0.replacing("m=audio 3478", with: "m=audio 0").replacing("m=video 9", with: "m=video 0") }
    let cy = world.join("cy")
    try cy.publish()
    #expect(bob.offers.count == 2)
    try bob.answer()
    #expect(bob.errors.isEmpty)
  }
}
