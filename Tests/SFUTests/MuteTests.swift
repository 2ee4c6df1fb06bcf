import Forwarding
import SFU
import Testing

/// An operator's mute is no participant's to undo.
@Suite struct MuteTests {
  let world: World
  let ann: Client
  let bob: Client
  private let muteAnn = AdminAction.mute(room: "class", participant: "ann", track: nil, muted: true)

  init() throws {
    world = try World()
    ann = world.join("ann")
    bob = world.join("bob")
    try ann.publish("chromium-156-sendonly-av-h264-only")
    try bob.answer()
  }

  private func administer(_ action: AdminAction) {
    let (outcome, commands) = world.sfu.administer(action, now: world.now)
    #expect(outcome == .done)
    world.take(commands)
  }

  private var sources: [SourceReport] {
    world.sfu.report(now: world.now).rooms.flatMap(\.participants).flatMap(\.peers).flatMap(\.sources)
  }

  private var added: [TrackInfo] {
    bob.heard.compactMap { if case .track(.added, _, let track) = $0 { track } else { nil } }
  }

  @Test func itsOwnerDoesNotUndoIt() throws {
    administer(muteAnn)
    let audio = try #require(added.first { $0.kind == "audio" }).id
    ann.say(.mute(track: audio, muted: false))
    #expect(ann.errors == [.forbidden] && sources.allSatisfy(\.muted))
    administer(.mute(room: "class", participant: "ann", track: audio, muted: false))
    #expect(sources.filter { !$0.muted }.map(\.track) == [audio])
  }

  @Test func itsOwnMuteIsStillItsOwn() throws {
    let audio = try #require(added.first { $0.kind == "audio" }).id
    ann.say(.mute(track: audio, muted: true))
    #expect(sources.filter(\.muted).map(\.track) == [audio])
    ann.say(.mute(track: audio, muted: false))
    #expect(ann.errors.isEmpty && !sources.contains(where: \.muted))
  }

  /// Neither by another track in its place nor by coming back.
  @Test func publishingAnewDoesNotUndoIt() throws {
    administer(muteAnn)
    ann.say(
      .publish(sdp: try Vectors.offer("chromium-156-sendonly-av", as: try #require(ann.publishing)), sources: [:]))
    #expect(added.count == 3 && added.last?.kind == "video" && added.last?.muted == true)
    administer(.mute(room: "class", participant: "ann", track: nil, muted: false))
    ann.say(
      .publish(
        sdp: try Vectors.offer("chromium-156-sendonly-av-h264-only", as: try #require(ann.publishing)), sources: [:]))
    #expect(sources.allSatisfy { !$0.muted })
  }

  @Test func comingBackDoesNotUndoIt() throws {
    administer(.mute(room: "class", participant: "ann", track: added.first { $0.kind == "audio" }?.id, muted: true))
    let back = world.join("ann", resume: try #require(ann.joined?.resume))
    try back.publish()
    let again = added.suffix(2)
    #expect(Set(again.filter(\.muted).map(\.kind)) == ["audio"] && again.count == 2)
  }
}
