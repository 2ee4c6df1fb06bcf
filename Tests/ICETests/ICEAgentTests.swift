import ICE
import STUN
import Testing
import Wire

/// Who is answered, and how.
struct ICEAgentTests {
  private let credentials = ICECredentials.random()
  private let a = tuple(1000)
  private let agent: Server
  private let client: Client

  init() {
    agent = Server(ICEAgent(local: credentials, now: at(0)))
    agent.agent.setRemote(ICECredentials(usernameFragment: "browser", password: "unused by a lite agent"))
    client = Client(server: credentials)
  }

  @Test func checksAreAnsweredAndANominationSelects() {
    #expect(agent.agent.selected == nil)
    #expect(agent.answer(client.check(), on: a, at: at(0)) == .success(a.remote))
    #expect(agent.agent.selected == nil)
    #expect(agent.answer(client.check(nominate: true), on: a, at: at(0.1)) == .moved(a.remote))
    #expect(agent.agent.selected == a)
    #expect(agent.answer(client.check(nominate: true), on: a, at: at(0.2)) == .success(a.remote))
    #expect(agent.agent.selected == a)
  }

  @Test func everyRefusalHasItsReason() {
    var stranger = client
    stranger.server.password = "guessed"
    var foreign = client
    foreign.fragment = "other"
    var unknown = client.message().message(transactionID: .random())
    unknown.attributes.append(.other(type: 0x7abc, value: []))
    let unsigned = client.message().message(transactionID: .random())
    for request in [
      unsigned.encode(fingerprint: true), foreign.check(), stranger.check(),
      unknown.encode(integrityKey: Array(credentials.password.utf8), fingerprint: true),
      client.check(role: .controlled(tieBreaker: 1)),
    ] {
      _ = agent.answer(request, on: a, at: at(0))
    }
    #expect(agent.refusals == ICEAgent.Refusal.allCases)
  }

  @Test func theMappedAddressOfIPv6() {
    let v6 = FiveTuple(local: SocketAddress(.v6(1, 1), 3478), remote: SocketAddress(.v6(0x2001_0db8_0000_0000, 7), 555))
    #expect(agent.answer(client.check(nominate: true), on: v6, at: at(0)) == .moved(v6.remote))
  }

  @Test func wrongPasswordIsRefusedUnprotected() {
    var stranger = client
    stranger.server.password = "guessed"
    #expect(
      agent.answer(stranger.check(nominate: true), on: a, at: at(0)) == .error(401, isAuthenticated: false))
    #expect(agent.agent.selected == nil)
  }

  @Test(arguments: [
    "wrong:browser", "LOCAL:other", "LOCAL", "LOCAL:", "LOCALbrowser", "LOCAL:browser:x", ":browser", ":",
  ])
  func wrongUsernamesAreRefused(_ username: String) {
    var message = client.message(nominate: true)
    message.username = username.replacing("LOCAL", with: credentials.usernameFragment)
    #expect(
      agent.answer(message.encode(transactionID: .random()), on: a, at: at(0)) == .error(401, isAuthenticated: false))
    #expect(agent.agent.selected == nil)
  }

  @Test func anyRemoteFragmentWhileTheClientsIsUnknown() {
    let young = Server(ICEAgent(local: credentials, now: at(0)))
    #expect(young.answer(client.check(nominate: true), on: a, at: at(0)) == .moved(a.remote))
    young.agent.setRemote(ICECredentials(usernameFragment: "another", password: ""))
    #expect(young.answer(client.check(), on: a, at: at(1)) == .error(401, isAuthenticated: false))
  }

  @Test func missingCredentialsAre400OnlyIfThatIsNotLarger() {
    let unsigned = client.message().message(transactionID: .random())
    #expect(agent.answer(unsigned.encode(fingerprint: true), on: a, at: at(0)) == .error(400, isAuthenticated: false))
    let bare = STUNMessage(class: .request, transactionID: .random())
    #expect(agent.answer(bare.encode(), on: a, at: at(0)) == .dropped(.missingCredentials))
    #expect(agent.answer(bare.encode(fingerprint: true), on: a, at: at(0)) == .dropped(.missingCredentials))
    let anonymous = bare.encode(integrityKey: Array(credentials.password.utf8), fingerprint: true)
    #expect(agent.answer(anonymous, on: a, at: at(0)) == .error(400, isAuthenticated: false))
  }

  /// What is sent without proof that the source address is not forged is never larger than what came.
  @Test func unauthenticatedRequestsAreNeverAmplified() {
    for length in 0...24 {
      for key in [nil, [UInt8(1)]] {
        let user = STUNMessage(
          class: .request, transactionID: .random(), attributes: [.username(String(repeating: "u", count: length))])
        let bytes = user.encode(integrityKey: key)
        guard case .refused(let response, _) = agent.agent.received(bytes, on: a, now: at(0)) else { continue }
        #expect(response.count <= bytes.count)
      }
    }
  }

  @Test func anotherControlledAgentHearsOfTheRoleConflict() {
    let controlled = client.check(nominate: true, role: .controlled(tieBreaker: .max))
    #expect(agent.answer(controlled, on: a, at: at(0)) == .error(487, isAuthenticated: true))
    #expect(agent.agent.selected == nil)
    #expect(agent.answer(client.check(nominate: true), on: a, at: at(0.1)) == .moved(a.remote))
  }

  @Test func unknownRequiredAttributesAreNamedIn420() throws {
    var message = client.message(nominate: true).message(transactionID: .random())
    message.attributes += [.other(type: 0x7abc, value: [1]), .other(type: 0xc057, value: [1])]
    let bytes = message.encode(integrityKey: Array(credentials.password.utf8), fingerprint: true)
    #expect(agent.answer(bytes, on: a, at: at(0)) == .error(420, isAuthenticated: true))
    guard case .refused(let response, .unknownAttribute) = agent.agent.received(bytes, on: a, now: at(0)) else {
      return #expect(Bool(false))
    }
    #expect(try STUNMessage.decode(response).unknownAttributes == [0x7abc])
    #expect(agent.agent.selected == nil)
  }

  @Test func unknownAttributesOfAStrangerAre401() {
    var message = client.message().message(transactionID: .random())
    message.attributes.append(.other(type: 0x7abc, value: []))
    #expect(
      agent.answer(message.encode(integrityKey: [1], fingerprint: true), on: a, at: at(0))
        == .error(401, isAuthenticated: false))
  }

  @Test func whatIsNoRequestIsDropped() {
    let key = Array(credentials.password.utf8)
    let username = STUNAttribute.username("\(credentials.usernameFragment):browser")
    for kind in [STUNClass.indication, .successResponse, .errorResponse] {
      let message = STUNMessage(class: kind, transactionID: .random(), attributes: [username, .useCandidate])
      #expect(agent.answer(message.encode(integrityKey: key), on: a, at: at(0)) == .dropped(.notBindingRequest))
    }
    let allocate = STUNMessage(
      class: .request, method: STUNMethod(rawValue: 3), transactionID: .random(), attributes: [username])
    #expect(agent.answer(allocate.encode(integrityKey: key), on: a, at: at(0)) == .dropped(.notBindingRequest))
    #expect(agent.answer([0x80, 0, 0, 0], on: a, at: at(0)) == .dropped(.malformed(.tooShort)))
    var damaged = client.check()
    damaged[damaged.count - 1] ^= 1
    #expect(agent.answer(damaged, on: a, at: at(0)) == .dropped(.badFingerprint))
  }

  @Test func theLocalFragmentOfADatagram() {
    #expect(ICEAgent.localUsernameFragment(of: client.check()) == credentials.usernameFragment)
    let response = STUNMessage(class: .successResponse, transactionID: .random(), attributes: [.username("a:b")])
    #expect(ICEAgent.localUsernameFragment(of: response.encode()) == nil)
    let noColon = STUNMessage(class: .request, transactionID: .random(), attributes: [.username("ab")])
    #expect(ICEAgent.localUsernameFragment(of: noColon.encode()) == nil)
    #expect(ICEAgent.localUsernameFragment(of: []) == nil)
    #expect(ICEAgent.localUsernameFragment(of: [UInt8](repeating: 0x80, count: 40)) == nil)
  }

  @Test func randomCredentialsAreLegalAndDiffer() {
    let all = (0..<100).map { _ in ICECredentials.random() }
    #expect(Set(all.map(\.usernameFragment)).count == 100)
    for one in all {
      #expect(one.usernameFragment.utf8.count >= 4 && one.password.utf8.count >= 22)
      #expect(
        (one.usernameFragment + one.password).allSatisfy {
          $0.isASCII && ($0.isLetter || $0.isNumber || "+/".contains($0))
        })
    }
  }
}
