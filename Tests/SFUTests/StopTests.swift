import Forwarding
import RTP
import SFU
import Testing
import Wire

/// The server stops: everyone is told in the way that their connection has for it.
@Suite struct StopTests {
  @Test func everyonesConnectionEndsAndNobodyIsToldOfTheOthers() throws {
    let world = try World()
    let ann = world.join("ann")
    let bob = world.join("bob")
    try ann.publish()
    try bob.answer()
    let encoder = try BrowserPeer(in: world)
    try encoder.connect(by: ask(.publish, "encoder", try Vectors.offer("chromium-156-sendonly-av", as: encoder), world))
    let viewer = try BrowserPeer(in: world)
    try viewer.connect(by: ask(.subscribe, "encoder", try Vectors.offer("chromium-156-recvonly-av", as: viewer), world))
    let recorder = Device("recorder", "receive", [("opus", 111, nil)], in: world)
    try recorder.add()
    let clear = try #require(world.routes.transports.last?.id)
    let ssrcs = world.routes.sinks.filter { $0.transport == clear }.map(\.ssrc)
    #expect(ssrcs.count == 2)
    let transports = Set(world.routes.transports.map(\.id))
    #expect(transports.count == 5)
    _ = world.takeCommands()

    world.take(world.sfu.stop(now: world.now))

    #expect([ann.publishing, bob.subscribing, encoder, viewer].map { $0?.isClosed } == [true, true, true, true])
    let goodbyes = recorder.rtcp().joined().flatMap { packet -> [UInt32] in
      if case .bye(let bye) = packet { bye.ssrcs } else { [] }
    }
    #expect(Set(goodbyes) == Set(ssrcs) && goodbyes.count == 2)
    #expect(Set(world.routes.removedTransports) == transports)
    #expect(world.routes.removedSinks.isEmpty, "copies end with their receivers' transports")
    let left = world.commands.compactMap { command in
      if case .log(let event) = command, event.message == "participant left" { event.metadata["reason"] } else { nil }
    }
    #expect(left == Array(repeating: "the server stops", count: 5))
    #expect(ann.heard.isEmpty && bob.heard.isEmpty)
    #expect(world.sfu.report(now: world.now).rooms.isEmpty)
  }

  @Test func nobodyComesInAnyMore() throws {
    let world = try World()
    world.take(world.sfu.stop(now: world.now))
    #expect(world.join("late").errors == [.draining])
  }

  /// What the server answers to a WHIP or WHEP request in ann's room.
  private func ask(_ role: PeerRole, _ name: String, _ offer: String, _ world: World) throws -> String {
    let request = ResourceRequest.create(role, room: "class", participant: name, offer: offer, grants: .everything)
    let answers = world.handle(.request(RequestID(rawValue: world.nextID()), request)).compactMap { command in
      if case .respond(_, .created(_, let answer, _, _, _)) = command { answer } else { nil }
    }
    return try #require(answers.first)
  }
}
