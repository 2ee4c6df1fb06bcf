import Forwarding
import SFU
import Testing
import Wire

/// Whoever has credentials of their own can make good checks, and forge where they come from.
@Suite struct ForgedAddressTests {
  private let world: World
  private let ann: Client
  private let eve: Client

  init() throws {
    world = try World()
    ann = world.join("ann", room: "class")
    eve = world.join("eve", room: "elsewhere")
  }

  private var refused: UInt64? { world.sfu.report(now: world.now).counters.datagramsDropped["address-in-use"] }
  private var moves: [FiveTuple] {
    world.routes.compactMap { if case .moveTransport(_, let tuple) = $0 { tuple } else { nil } }
  }

  private func eveChecks(from tuple: FiveTuple) throws {
    try eve.publishing?.check(by: try #require(eve.answers.last), from: tuple)
  }

  @Test func aPeerKeepsItsAddressWhileItConnects() throws {
    try ann.publish(connecting: false)
    try eve.publish(connecting: false)
    try ann.publishing?.check(by: try #require(ann.answers.last))
    try eveChecks(from: try #require(ann.publishing?.tuple))
    eve.say(.leave)
    try ann.publishing?.connect(by: try #require(ann.answers.last))
    #expect(world.routes.transports.map(\.tuple) == [ann.publishing?.tuple])
    #expect(refused == 1)
  }

  @Test func aConnectedPeerCannotMoveToTheAddressOfAnother() throws {
    try ann.publish()
    try eve.publish()
    world.advance(.seconds(5))
    try eveChecks(from: try #require(ann.publishing?.tuple))
    #expect(moves.isEmpty)
    #expect(refused == 1)
  }

  /// A NAT may give the address of a client that has gone to the next one; and the first may not have gone after all.
  @Test func anAddressThatIsSilentMayBeAnothersAndComesBack() throws {
    try ann.publish()
    try eve.publish()
    let address = try #require(ann.publishing?.tuple)
    world.advance(.seconds(8))
    try eveChecks(from: address)
    #expect(moves == [address])
    try ann.publishing?.check(by: try #require(ann.answers.last))
    #expect(moves.count == 1 && refused == 1)
    eve.say(.leave)
    try ann.publishing?.check(by: try #require(ann.answers.last))
    #expect(moves == [address, address])
    let transport = try #require(world.routes.transports.first)
    #expect(
      world.routes.last { if case .moveTransport = $0 { true } else { false } }.map { "\($0)" }
        == "\(FastPathCommand.moveTransport(transport.id, address))")
  }

  @Test func theAddressOfClearRTPIsNeverAnothers() throws {
    let camera = Device("camera", "send", [("vp8", 96, 7)], in: world)
    #expect(try camera.add() == .done)
    try eve.publish()
    world.advance(.seconds(20))
    try eveChecks(from: try #require(world.routes.transports.first).tuple)
    #expect(moves.isEmpty)
    #expect(refused == 1)
  }
}
