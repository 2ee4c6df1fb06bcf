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
    // Two of the client's addresses that pretend the same priority: the second looks like a new NAT mapping, until the first
    // is heard again.
    #expect(nominate(b, 100, 21) == .moved(b.remote))
    #expect(nominate(a, 100, 21.5) == .moved(a.remote))
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

  @Test func aCheckSentAgainFromElsewhereMovesNothing() {
    for tick in 0..<20 {
      let check = client.check(nominate: true, priority: 100)
      _ = agent.answer(check, on: a, at: at(Double(tick) * 2.5))
      #expect(agent.answer(check, on: b, at: at(Double(tick) * 2.5 + 1)) == .dropped(.replayed))
      #expect(agent.answer(check, on: a, at: at(Double(tick) * 2.5 + 1)) == .success(a.remote), "a retransmission")
      #expect(agent.agent.selected == a)
    }
  }

  /// Who is quicker than the client itself has it only until the client's own datagram arrives.
  @Test func aCheckThatACopyOvertookBringsThePairBack() {
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    let check = client.check(nominate: true, priority: 100)
    #expect(agent.answer(check, on: b, at: at(2.5)) == .moved(b.remote))
    #expect(agent.answer(check, on: a, at: at(2.51)) == .moved(a.remote))
    for tick in 2...20 {
      let check = client.check(nominate: true, priority: 100)
      let now = Double(tick) * 2.5
      #expect(agent.answer(check, on: tick % 2 == 0 ? b : c, at: at(now)) != .moved(b.remote))
      #expect(agent.agent.selected == a, "while the client is heard there no address passes for its new one")
      #expect(
        agent.answer(client.check(nominate: true, priority: 100), on: a, at: at(now + 0.01)) == .success(a.remote))
    }
  }

  @Test func anOldCheckTakesNoLongerThanUntilTheClientsNext() {
    let old = client.check(nominate: true, priority: 100)
    #expect(agent.answer(old, on: a, at: at(0)) == .moved(a.remote))
    for tick in 1...300 { _ = nominate(a, 100, Double(tick) * 2.5) }
    #expect(agent.answer(old, on: b, at: at(750.1)) == .moved(b.remote), "forgotten by then")
    #expect(nominate(a, 100, 752.5) == .moved(a.remote))
    #expect(agent.answer(client.check(nominate: true, priority: 100), on: c, at: at(753)) == .success(c.remote))
    #expect(agent.agent.selected == a)
  }

  @Test func aClientThatWasDoubtedOnceStillRoams() {
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    #expect(nominate(b, 100, 1) == .moved(b.remote))
    #expect(nominate(a, 100, 2) == .moved(a.remote))
    #expect(nominate(c, 100, 3) == .success(c.remote))
    #expect(nominate(c, 100, 5) == .moved(c.remote), "the old pair is silent")
  }

  @Test func aCopyKeepsNoConsentAlive() {
    let check = client.check(nominate: true, priority: 100)
    #expect(agent.answer(check, on: a, at: at(0)) == .moved(a.remote))
    #expect(agent.answer(check, on: a, at: at(29)) == .success(a.remote))
    #expect(agent.agent.expired(now: at(30)) == .consentExpired)
  }

  /// A client that nominates once, as Firefox does, with a PRIORITY that differs from that of its consent checks.
  private func nominateOnce() {
    #expect(nominate(a, 0x6e7f_00ff, 0) == .moved(a.remote))
    #expect(check(a, 5) == .success(a.remote))
  }

  private static let consent: UInt32 = 0x7e7f_00ff

  private func check(_ pair: FiveTuple, _ seconds: Double, _ priority: UInt32 = consent) -> Event {
    agent.answer(client.check(priority: priority), on: pair, at: at(seconds))
  }

  @Test func aNewNATMappingIsFollowedWithoutANomination() {
    nominateOnce()
    #expect(check(b, 10) == .success(b.remote))
    #expect(agent.agent.selected == a)
    #expect(check(b, 15) == .moved(b.remote))
    #expect(check(b, 20) == .success(b.remote))
    #expect(agent.agent.expired(now: at(49.9)) == nil)
    // And once more.
    #expect(check(c, 25) == .success(c.remote))
    #expect(check(c, 30) == .moved(c.remote))
    #expect(agent.agent.selected == c)
  }

  @Test func aPairThatIsStillCheckedIsKept() {
    nominateOnce()
    for second in stride(from: 10.0, to: 60, by: 5) {
      #expect(check(b, second) == .success(b.remote))
      #expect(check(b, second + 1) == .success(b.remote))
      #expect(check(a, second + 2) == .success(a.remote))
    }
    #expect(agent.agent.selected == a)
  }

  @Test func oneCheckSentAgainMovesNothing() {
    nominateOnce()
    let captured = client.check(priority: Self.consent)
    for second in stride(from: 6.0, to: 34, by: 1) {
      #expect(agent.answer(captured, on: b, at: at(second)) == .success(b.remote))
    }
    #expect(agent.agent.expired(now: at(35)) == .consentExpired)
  }

  @Test func anotherCandidateHasToBeNominated() {
    nominateOnce()
    let otherHome = tuple(2000, server: 0x0a00_0002)
    for second in stride(from: 6.0, to: 34, by: 4) {
      #expect(check(b, second, 0x7e7f_1eff) == .success(b.remote))
      #expect(check(otherHome, second + 1) == .success(otherHome.remote))
    }
    #expect(agent.agent.selected == a)
  }

  @Test func strangersCannotPretendANewMapping() {
    nominateOnce()
    var stranger = client
    stranger.server.password = "guessed"
    for second in stride(from: 6.0, to: 34, by: 4) {
      #expect(
        agent.answer(stranger.check(priority: Self.consent), on: b, at: at(second))
          == .error(401, isAuthenticated: false))
    }
    #expect(agent.agent.expired(now: at(35)) == .consentExpired)
  }

  @Test func whileRestartingOnlyANominationMoves() {
    nominateOnce()
    let renewed = Client(server: .random())
    agent.agent.restart(local: renewed.server, remote: ICECredentials(usernameFragment: "browser", password: ""))
    for second in stride(from: 10.0, to: 30, by: 4) {
      #expect(agent.answer(renewed.check(priority: Self.consent), on: b, at: at(second)) == .success(b.remote))
    }
    #expect(agent.agent.selected == a)
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
    #expect(nominate(a, 100, 30) == .moved(a.remote))
    #expect(agent.answer(client.check(), on: b, at: at(59)) == .success(b.remote))
    #expect(agent.agent.expired(now: at(59.9)) == nil)
    #expect(agent.agent.expired(now: at(60)) == .consentExpired)
    #expect(agent.answer(client.check(), on: a, at: at(59.9)) == .success(a.remote))
    #expect(agent.agent.expired(now: at(89.8)) == nil)
  }

  @Test func withoutAnyCheckItIsOver() {
    #expect(agent.agent.expired(now: at(29.9)) == nil)
    #expect(agent.agent.expired(now: at(30)) == .noChecks)
    #expect(agent.answer(Client(server: .random()).check(), on: a, at: at(29)) == .error(401, isAuthenticated: false))
    #expect(agent.agent.expired(now: at(30)) == .noChecks)
  }

  @Test func checksThatNeverNominateKeepNothingAlive() {
    for second in 20..<50 {
      #expect(agent.answer(client.check(), on: a, at: at(Double(second))) == .success(a.remote))
    }
    #expect(agent.agent.expired(now: at(49.9)) == nil)
    #expect(agent.agent.expired(now: at(50)) == .notNominated)
    #expect(nominate(a, 100, 50) == .moved(a.remote))
    #expect(agent.agent.expired(now: at(79.9)) == nil)
    #expect(agent.agent.expired(now: at(80)) == .consentExpired)
  }

  @Test func onlyValidChecksKeepConsent() {
    #expect(nominate(a, 100, 0) == .moved(a.remote))
    var stranger = client
    stranger.server.password = "guessed"
    #expect(agent.answer(stranger.check(nominate: true), on: a, at: at(20)) == .error(401, isAuthenticated: false))
    #expect(
      agent.answer(client.check(role: .controlled(tieBreaker: 1)), on: a, at: at(20))
        == .error(487, isAuthenticated: true))
    #expect(agent.agent.expired(now: at(30)) == .consentExpired)
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
