import Forwarding
import RTP
import SFU
import Testing
import Wire

@Suite("Who speaks") struct SpeakersTests {
  /// Three in a room; Ann and Bob publish sound and picture.
  private final class Three {
    let world: World
    let ann, bob, cy: Client
    private var counters: [SourceID: SourceStatistics] = [:]

    init(label: TrackLabel? = nil) throws {
      world = try World()
      (ann, bob, cy) = (Client("ann", in: world), Client("bob", in: world), Client("cy", in: world))
      for client in [ann, bob, cy] { client.join() }
      for client in [ann, bob] { try client.publish(sources: label.map { ["1": $0] } ?? [:]) }
    }

    func id(of client: Client) throws -> String { try #require(client.joined).id }

    func voice(of client: Client) throws -> SourceID {
      let transport = try #require(world.routes.transports.first { $0.tuple == client.publishing?.tuple })
      return try #require(world.routes.sources.first { $0.transport == transport.id && $0.kind == .audio }).id
    }

    /// A second in which these speak so loud, in −dBov, and all others are silent.
    func pass(_ levels: [(Client, UInt8)]) throws {
      world.advance(.seconds(1))
      for client in [ann, bob] {
        let voice = try voice(of: client)
        let level = AudioLevel(attenuation: levels.first { $0.0 === client }?.1 ?? 127)
        counters[voice, default: SourceStatistics(id: voice)].audioLevels += 50
        counters[voice]?.audioPower &+= 50 * level.power
      }
      var statistics = FastPathStatistics(at: world.now)
      statistics.sources = Array(counters.values)
      world.handle(.fastPath(.statistics(statistics)))
    }
  }

  private func told(_ client: Client) -> [[String]] {
    client.heard.compactMap { if case .speakers(let ids) = $0 { ids } else { nil } }
  }

  @Test func areToldToAllLoudestFirstWhenTheyChange() throws {
    let three = try Three()
    let (ann, bob) = (try three.id(of: three.ann), try three.id(of: three.bob))
    try three.pass([])
    try three.pass([(three.ann, 30)])
    try three.pass([(three.ann, 25)])
    try three.pass([(three.ann, 30), (three.bob, 20)])
    try three.pass([(three.bob, 20)])
    try three.pass([])
    for client in [three.ann, three.bob, three.cy] { #expect(told(client) == [[ann], [bob, ann], [bob], []]) }
  }

  @Test func takeMoreToBeginThanToGoOn() throws {
    let three = try Three()
    try three.pass([(three.ann, 45)])
    #expect(told(three.cy) == [])
    try three.pass([(three.ann, 38)])
    try three.pass([(three.ann, 45)])
    #expect(told(three.cy).count == 1)
    try three.pass([(three.ann, 55)])
    #expect(told(three.cy).last == [])
  }

  @Test func whoIsMutedDoesNotSpeak() throws {
    let three = try Three()
    try three.pass([(three.ann, 20)])
    _ = three.world.take(
      three.world.sfu.administer(
        .mute(room: "class", participant: "ann", track: nil, muted: true), now: three.world.now
      ).1)
    try three.pass([(three.ann, 20)])
    #expect(told(three.cy).last == [])
  }

  @Test func theSoundOfAScreenIsNoSpeech() throws {
    let three = try Three(label: .screenAudio)
    try three.pass([(three.ann, 20)])
    #expect(told(three.cy) == [])
  }

  @Test func whoComesLaterIsToldAndWhoLeavesSpeaksNoMore() throws {
    let three = try Three()
    let (ann, bob) = (try three.id(of: three.ann), try three.id(of: three.bob))
    try three.pass([(three.ann, 20), (three.bob, 25)])
    three.ann.say(.leave)
    let dee = three.world.join("dee")
    #expect(told(dee) == [[bob]])
    #expect(told(three.cy) == [[ann, bob]])
    try three.pass([(three.bob, 25)])
    #expect(told(three.cy) == [[ann, bob], [bob]])
    let elsewhere = three.world.join("eve", room: "another")
    #expect(told(elsewhere) == [])
  }
}
