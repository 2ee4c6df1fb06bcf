import AllocationCount
import Forwarding
import RTP
import SDP
import SFU
import Testing
import Wire

/// Later offers of a publish peer.
@Suite struct RepublishingTests {
  let world: World
  let ann: Client
  let bob: Client

  init() throws {
    world = try World()
    ann = world.join("ann")
    bob = world.join("bob")
  }

  private func publishAgain(_ vector: String, edit: (String) -> String = { $0 }) throws {
    ann.say(.publish(sdp: edit(try Vectors.offer(vector, as: try #require(ann.publishing))), sources: [:]))
  }

  private func tracks(_ event: TrackEvent) -> [TrackInfo] {
    bob.heard.compactMap { if case .track(event, _, let track) = $0 { track } else { nil } }
  }

  @Test func aTrackOfOtherCodecsIsAnotherTrack() throws {
    try ann.publish("chromium-156-sendonly-av-h264-only")
    try bob.answer()
    let old = try #require(tracks(.added).first { $0.kind == "video" })
    ann.say(.mute(track: old.id, muted: true))
    try publishAgain("chromium-156-sendonly-av")
    #expect(tracks(.removed).map(\.id) == [old.id], "the audio goes on")
    let new = try #require(tracks(.added).last { $0.kind == "video" })
    #expect(new.codecs.contains("VP8") && !old.codecs.contains("VP8"))
    #expect(new.muted, "as before")
    #expect(bob.offers.count == 2)
    try bob.answer()
    let source = try #require(world.routes.sources.last { $0.kind == .video && $0.repairs == nil })
    #expect(world.routes.sinks.last { $0.source == source.id }?.payloadTypes.keys.contains(96) == true)
  }

  @Test func theFastPathReadsTheHeaderExtensionsOfTheLatestOffer() throws {
    try ann.publish()
    let before = try #require(world.routes.transports.first).extensions
    try publishAgain("chromium-156-sendonly-av") { $0.replacing("sdes:rtp-stream-id", with: "toffset") }
    let read = world.routes.compactMap { if case .readExtensions(_, let ids) = $0 { ids } else { nil } }
    #expect(before.rid != 0 && read.last?.rid == 0)
    #expect(read.last?.mid == before.mid && read.last?.transportWide == before.transportWide)
  }

  @Test func aTrackOfFewerCodecsGoesOn() throws {
    try ann.publish()
    try bob.answer()
    try publishAgain("chromium-156-sendonly-av-h264-only")
    #expect(tracks(.removed).isEmpty && tracks(.added).count == 2)
  }

  @Test func aSourceThatEndsTakesItsRetransmissionsAlong() throws {
    try ann.publish()
    try bob.answer()
    let main = try #require(world.routes.sources.last { $0.kind == .video && $0.repairs == nil })
    let repair = try #require(world.routes.sources.last { $0.repairs == main.id })
    ann.publishing?.send([.bye(BYE(ssrcs: [main.ssrc]))])
    try publishAgain("chromium-156-sendonly-av")
    let removal = world.routes.firstIndex { if case .removeSource(repair.id) = $0 { true } else { false } }
    let renewal = world.routes.lastIndex { if case .addSource(let new) = $0 { new.ssrc == repair.ssrc } else { false } }
    #expect(try #require(removal) < (try #require(renewal)))
    let renewed = try #require(world.routes.sources.last { $0.ssrc == main.ssrc })
    #expect(world.routes.sources.last { $0.ssrc == repair.ssrc }?.repairs == renewed.id && renewed.id != main.id)
  }

  @Test func anOfferThatChangesNothingCostsTheSameInAnyRoom() throws {
    func allocations(others: Int) throws -> UInt64 {
      let world = try World(participants: 50)
      let ann = world.join("ann")
      try ann.publish()
      for number in 0..<others { try world.join("other \(number)").publish(connecting: false) }
      let offer = try Vectors.offer("chromium-156-sendonly-av", as: try #require(ann.publishing))
      let input = SFUInput.message(ann.connection, .publish(sdp: offer, sources: [:]), grants: .everything)
      let before = allocation_count()
      _ = world.sfu.handle(input, now: world.now)
      return allocation_count() - before
    }
    let (few, many) = (try allocations(others: 1), try allocations(others: 41))
    #expect(many < few + 40, "not even one for each")
  }

  @Test("Who ends a source again and again is followed once a second", arguments: [false, true])
  func endingAgainAndAgain(retransmission: Bool) throws {
    try ann.publish()
    let transport = try #require(world.routes.transports.first)
    let source = try #require(
      world.routes.sources.last { $0.kind == .video && ($0.repairs != nil) == retransmission })
    func endAndGoOn() {
      ann.publishing?.send([.bye(BYE(ssrcs: [source.ssrc]))])
      let heard = UnknownSource(ssrc: source.ssrc, payloadType: retransmission ? 97 : 96, mid: "0")
      world.handle(.fastPath(.unknownSource(transport.id, heard)))
    }
    var begun: Int { world.routes.sources.count { $0.ssrc == source.ssrc } }
    endAndGoOn()
    #expect(begun == 2)
    for _ in 0..<3 { endAndGoOn() }
    #expect(begun == 2)
    world.advance(.seconds(1))
    endAndGoOn()
    #expect(begun == 3)
  }

  @Test func aLabelThatComesLaterIsTold() throws {
    try ann.publish()
    let video = try #require(tracks(.added).first { $0.kind == "video" })
    #expect(video.label == nil)
    let offer = try Vectors.offer("chromium-156-sendonly-av", as: try #require(ann.publishing))
    ann.say(.publish(sdp: offer, sources: ["0": .camera]))
    #expect(tracks(.added).count == 3 && tracks(.added).last?.id == video.id)
    #expect(tracks(.added).last?.label == .camera)
    ann.say(.restart(target: .publish, sdp: offer, sources: ["0": .camera]))
    #expect(tracks(.added).count == 3, "that is known")
    ann.say(.restart(target: .publish, sdp: offer, sources: ["0": .screen]))
    #expect(tracks(.added).last?.label == .screen && tracks(.removed).isEmpty)
  }
}
