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
}
