import SFU
import Testing
import Wire

/// A process that stood still has not listened, so nobody was silent.
@Suite struct AbsenceTests {
  private let world: World
  private let ann: Client

  init() throws {
    world = try World()
    ann = world.join("ann")
    try ann.publish()
    world.advance(.seconds(1))
  }

  private var isConnected: Bool { world.routes.removedTransports.isEmpty }

  /// The whole process stops: nothing is read, and no tick comes.
  private func standStill(_ interval: Interval) { world.now = world.now.advanced(by: interval) }

  @Test func whoSpokeMeanwhileStays() throws {
    standStill(.seconds(60))
    // The tick comes before what waits is read.
    world.handle(.tick)
    #expect(isConnected)
    world.advance(.seconds(5))
    try ann.publishing?.check(by: try #require(ann.answers.last))
    world.advance(.seconds(29))
    #expect(isConnected)
  }

  @Test func whoStaysSilentAfterItEnds() {
    standStill(.seconds(60))
    world.advance(.seconds(9))
    #expect(isConnected)
    world.advance(.seconds(3))
    #expect(!isConnected)
  }

  @Test func slowTicksAreNoAbsence() {
    for _ in 0..<31 {
      standStill(.seconds(1))
      world.handle(.tick)
    }
    world.advance(.seconds(1))
    #expect(!isConnected)
  }
}
