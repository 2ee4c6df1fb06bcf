import ICE
import STUN
import Testing
import Wire

/// Which pair is selected, and until when.
struct NominationTests {
  private let credentials = ICECredentials(usernameFragment: "server", password: "server password, long")
  private let a = tuple(1000)
  private let b = tuple(2000)
  private let c = tuple(3000)
  private let agent: Server
  private let client: Client

  init() {
    agent = Server(ICEAgent(local: credentials, now: at(0)))
    client = Client(server: credentials)
    agent.agent.setRemote(ICECredentials(usernameFragment: "browser", password: ""))
  }

  private func nominate(_ pair: FiveTuple, _ priority: UInt32, _ seconds: Double) -> Event {
    agent.answer(client.check(nominate: true, priority: priority), on: pair, at: at(seconds))
  }

  @Test func aggressiveNominationSettlesOnTheHighestPriority() {
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    #expect(nominate(b, 200, 0.05) == .moved(b.remote))
    for tick in 1...100 {
      let now = Double(tick) * 0.5
      #expect(nominate(a, 100, now) == .success(a.remote))
      #expect(nominate(b, 200, now + 0.1) == .success(b.remote))
    }
    #expect(agent.agent.selected == b)
  }

  @Test func pairsOfEqualPriorityDoNotFlap() {
    // Two of the server's addresses, checked from one candidate.
    let other = tuple(1000, server: 0x0a00_0002)
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    for tick in 1...20 {
      #expect(nominate(other, 100, Double(tick)) == .success(other.remote))
      #expect(nominate(a, 100, Double(tick) + 0.1) == .success(a.remote))
    }
    // Two of the client's addresses that pretend the same priority: the second looks like a new NAT mapping, once.
    #expect(nominate(b, 100, 21) == .moved(b.remote))
    for tick in 22...40 {
      #expect(nominate(a, 100, Double(tick)) == .success(a.remote))
      #expect(nominate(b, 100, Double(tick) + 0.1) == .success(b.remote))
    }
  }

  @Test func aNewNATMappingIsFollowedAtOnce() {
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    #expect(nominate(b, 100, 1) == .moved(b.remote))
    #expect(nominate(c, 100, 2) == .moved(c.remote))
    #expect(agent.agent.selected == c)
  }

  @Test func roamingToALowerPriorityOnceTheOldPairIsSilent() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    #expect(nominate(b, 100, 1) == .success(b.remote))
    #expect(nominate(b, 100, 2.9) == .success(b.remote))
    #expect(nominate(b, 100, 3) == .moved(b.remote))
    #expect(agent.agent.selected == b)
  }

  @Test func aSilentPairYieldsToTheFirstNomination() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    #expect(agent.answer(client.check(priority: 200), on: a, at: at(1)) == .success(a.remote))
    #expect(nominate(b, 100, 3.9) == .success(b.remote))
    #expect(nominate(c, 100, 4) == .moved(c.remote))
  }

  @Test func roamingWhileTheOldPairIsStillCheckedButNotNominated() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    for tick in 1...5 {
      #expect(agent.answer(client.check(priority: 200), on: a, at: at(Double(tick) / 2)) == .success(a.remote))
      #expect(nominate(b, 100, Double(tick) / 2 + 0.1) == .success(b.remote))
    }
    #expect(agent.answer(client.check(priority: 200), on: a, at: at(3)) == .success(a.remote))
    #expect(nominate(b, 100, 3.1) == .moved(b.remote))
  }

  @Test func aLateLeftoverOfAggressiveNominationMovesNothing() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    let late = client.check(nominate: true, priority: 100)
    for tick in 1...8 {
      #expect(agent.answer(client.check(priority: 200), on: a, at: at(Double(tick))) == .success(a.remote))
      #expect(agent.answer(late, on: b, at: at(Double(tick) + 0.1)) == .success(b.remote))
    }
    #expect(agent.agent.selected == a)
  }

  @Test func consentNeedsChecksOnTheSelectedPair() {
    #expect(!agent.agent.consentExpired(now: at(29.9)))
    #expect(agent.agent.consentExpired(now: at(30)))
    #expect(agent.answer(client.check(), on: b, at: at(20)) == .success(b.remote))
    #expect(!agent.agent.consentExpired(now: at(49.9)))

    #expect(nominate(a, 100, 30) == .moved(a.remote))
    #expect(agent.answer(client.check(), on: b, at: at(59)) == .success(b.remote))
    #expect(!agent.agent.consentExpired(now: at(59.9)))
    #expect(agent.agent.consentExpired(now: at(60)))
    #expect(agent.answer(client.check(), on: a, at: at(59.9)) == .success(a.remote))
    #expect(!agent.agent.consentExpired(now: at(89.8)))
  }

  @Test func onlyValidChecksKeepConsent() {
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    var stranger = client
    stranger.server.password = "guessed"
    #expect(agent.answer(stranger.check(nominate: true), on: a, at: at(20)) == .error(401, isAuthenticated: false))
    #expect(
      agent.answer(client.check(role: .controlled(tieBreaker: 1)), on: a, at: at(20))
        == .error(487, isAuthenticated: true))
    #expect(agent.agent.consentExpired(now: at(30)))
  }

  @Test func restartKeepsTheOldPairUntilTheNewSessionNominates() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    let renewed = Client(server: .random(), fragment: "renewed")
    agent.agent.restart(local: renewed.server, remote: nil)
    #expect(agent.agent.local == renewed.server)
    #expect(agent.agent.selected == a)

    // Both sessions are answered, each with its own password; the old remote fragment is not good for the new session.
    #expect(
      agent.answer(client.check(nominate: true, priority: 200), on: a, at: at(1), password: credentials.password)
        == .success(a.remote))
    #expect(agent.answer(renewed.check(), on: b, at: at(1.1)) == .success(b.remote))
    agent.agent.setRemote(ICECredentials(usernameFragment: "renewed", password: ""))
    #expect(agent.answer(renewed.check(), on: b, at: at(1.2)) == .success(b.remote))
    let mixed = Client(server: renewed.server, fragment: "browser")
    #expect(agent.answer(mixed.check(), on: b, at: at(1.2)) == .error(401, isAuthenticated: false))

    // The first nomination of the new session is obeyed though its priority is lower; the old session is over.
    #expect(agent.answer(renewed.check(nominate: true, priority: 1), on: b, at: at(1.3)) == .moved(b.remote))
    #expect(nominate(a, 200, 1.4) == .error(401, isAuthenticated: false))
    #expect(agent.agent.selected == b)
  }

  @Test func restartOnTheSamePairMovesNothing() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    let renewed = Client(server: .random())
    agent.agent.restart(local: renewed.server, remote: ICECredentials(usernameFragment: "browser", password: ""))
    #expect(agent.answer(renewed.check(nominate: true), on: a, at: at(1)) == .success(a.remote))
    #expect(agent.agent.selected == a)
    #expect(nominate(a, 200, 2) == .error(401, isAuthenticated: false))
  }

  @Test func aSecondRestartKeepsTheSessionThatHasThePair() {
    #expect(nominate(a, 200, 0) == .moved(a.remote))
    let abandoned = Client(server: .random())
    let renewed = Client(server: .random())
    agent.agent.restart(local: abandoned.server, remote: nil)
    agent.agent.restart(local: renewed.server, remote: nil)
    #expect(agent.answer(client.check(), on: a, at: at(1), password: credentials.password) == .success(a.remote))
    #expect(agent.answer(abandoned.check(), on: b, at: at(1)) == .error(401, isAuthenticated: false))
    #expect(agent.answer(renewed.check(nominate: true), on: b, at: at(1)) == .moved(b.remote))
  }
}
