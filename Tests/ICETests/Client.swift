import ICE
import STUN
import Wire

/// The browser's side of a transcript: makes checks and reads the answers.
struct Client {
  var server: ICECredentials
  var fragment = "browser"
  var priority: UInt32 = 100

  func check(
    nominate: Bool = false, priority: UInt32? = nil, role: ConnectivityCheck.Role = .controlling(tieBreaker: 9),
    id: STUNTransactionID = .random()
  ) -> [UInt8] {
    message(nominate: nominate, priority: priority, role: role).encode(transactionID: id)
  }

  func message(
    nominate: Bool = false, priority: UInt32? = nil, role: ConnectivityCheck.Role = .controlling(tieBreaker: 9)
  ) -> ConnectivityCheck {
    ConnectivityCheck(
      username: "\(server.usernameFragment):\(fragment)", password: server.password,
      priority: priority ?? self.priority,
      role: role, useCandidate: nominate)
  }
}

/// What happened, without the response's bytes.
enum Event: Equatable {
  case success(SocketAddress)
  case moved(SocketAddress)
  case error(UInt16, isAuthenticated: Bool)
  case dropped(ICEAgent.DropReason)
  case unreadable
}

/// The agent under test, held by reference because `#expect` takes no mutating calls.
final class Server {
  var agent: ICEAgent
  /// Why requests were answered with errors.
  private(set) var refusals: [ICEAgent.Refusal] = []

  init(_ agent: ICEAgent) { self.agent = agent }

  /// Delivers a datagram and reads the answer as the client would.
  func answer(_ datagram: [UInt8], on tuple: FiveTuple, at now: Instant, password: String? = nil) -> Event {
    let password = password ?? agent.local.password
    switch agent.received(datagram, on: tuple, now: now) {
    case .dropped(let reason): return .dropped(reason)
    case .respond(let bytes): return read(bytes, datagram, password)
    case .refused(let bytes, let refusal):
      refusals.append(refusal)
      return read(bytes, datagram, password)
    case .selected(let bytes, let pair):
      return read(bytes, datagram, password) == .success(pair.remote) && pair == tuple
        ? .moved(pair.remote) : .unreadable
    }
  }

  private func read(_ bytes: [UInt8], _ datagram: [UInt8], _ password: String) -> Event {
    guard let id = STUNTransactionID(Array(datagram[8..<20])), let response = try? STUNMessage.decode(bytes),
      response.fingerprintIsValid(bytes)
    else { return .unreadable }
    switch ConnectivityCheck(username: "", password: password).answer(bytes, to: id) {
    case .success(let address): return .success(address)
    case .refused(let error, let isAuthenticated): return .error(error.code, isAuthenticated: isAuthenticated)
    case .notAnAnswer: return .unreadable
    }
  }
}

func at(_ seconds: Double) -> Instant { Instant(nanoseconds: 1_000_000_000_000 + UInt64(seconds * 1e9)) }

func tuple(_ port: UInt16, server: UInt32 = 0x0a00_0001) -> FiveTuple {
  FiveTuple(local: SocketAddress(.v4(server), 3478), remote: SocketAddress(.v4(0xc633_6401), port))
}
