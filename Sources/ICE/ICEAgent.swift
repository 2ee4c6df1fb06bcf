import STUN
import Wire

/// The ICE-lite agent of one peer (RFC 8445): it answers connectivity checks and lets the client, always the
/// controlling side, pick the pair by USE-CANDIDATE. It sends no checks of its own; the client's keep consent alive.
///
/// ```
///  no pair ── first nomination ──> selected ── better or later nomination elsewhere ──> selected (moved)
///     │                               │
///     └── 30 s without a check ───────┴── 30 s without a check on the pair ──> expired
/// ```
public struct ICEAgent: Sendable {
  /// The credentials under which new checks are expected.
  public var local: ICECredentials { current.local }
  /// The pair that media uses; nil until the client nominates one.
  public var selected: FiveTuple? { selection?.pair }

  private var current: Session
  /// The session before an ICE restart, valid until a check of `current` nominates.
  private var previous: Session?
  private var selection: Selection?
  /// When the last valid check came on the selected pair; before there is one, on any.
  private var lastCheck: Instant

  /// Consent ends after this long without a check (RFC 7675 section 5.1).
  public static let consentLifetime = Interval.seconds(30)

  /// One round of credentials; an ICE restart begins another.
  struct Session: Sendable {
    var local: ICECredentials
    var remote: ICECredentials?
  }

  public init(local: ICECredentials, now: Instant) {
    current = Session(local: local)
    lastCheck = now
  }

  /// The client's credentials, from its SDP. From now on usernames must name its fragment too.
  public mutating func setRemote(_ credentials: ICECredentials) { current.remote = credentials }

  /// ICE restart (RFC 8445 section 9): new local credentials. Checks with the old ones stay valid, and the selected
  /// pair stays selected, until the first check with the new ones nominates.
  public mutating func restart(local: ICECredentials, remote: ICECredentials? = nil) {
    previous = previous ?? current
    current = Session(local: local, remote: remote)
  }

  /// What became of a datagram.
  public enum Outcome: Hashable, Sendable {
    /// Send this response (success or error) back on the tuple; the selected pair is what it was.
    case respond([UInt8])
    /// Send this response, and use this pair from now on: the first one, or another than before.
    case selected([UInt8], FiveTuple)
    case dropped(DropReason)
  }

  public enum DropReason: Hashable, Sendable {
    case malformed(STUNMessage.ParsingError)
    /// Indications (keep-alives), responses, and other methods than Binding.
    case notBindingRequest
    case badFingerprint
    /// No USERNAME or no MESSAGE-INTEGRITY.
    case missingCredentials
    case wrongUsername
    case badIntegrity
  }

  /// Handles a datagram that came on `tuple`.
  ///
  /// Responses to authenticated requests, errors 420 and 487 among them, are protected with our password. 400 and 401
  /// cannot be (RFC 8489 section 9.1.3) and are sent only where they are not larger than the request, so that a forged
  /// source address gains nothing; otherwise the request is dropped.
  public mutating func received(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> Outcome {
    let request: STUNMessage
    do { request = try STUNMessage.decode(datagram) } catch { return .dropped(.malformed(error)) }
    guard request.class == .request, request.method == .binding else { return .dropped(.notBindingRequest) }
    if request.hasFingerprint && !request.fingerprintIsValid(datagram) { return .dropped(.badFingerprint) }

    switch authenticate(request, datagram) {
    case .failure(let rejection): return refuse(request, datagram, rejection)
    case .success(let session):
      let response = Response(to: request, key: session.local.password)
      if !request.unknownComprehensionRequired.isEmpty { return .respond(response.unknownAttributes()) }
      // We are always controlled, and a client that hears 487 takes the other role.
      if request.iceControlled != nil { return .respond(response.error(.roleConflict)) }
      let isMoved = validCheck(request, of: session, on: tuple, now: now)
      let success = response.success(mapped: tuple.remote)
      return isMoved ? .selected(success, tuple) : .respond(success)
    }
  }

  /// Whether the client has stopped to agree to receive: 30 s without a valid check on the selected pair (RFC 7675), or
  /// without any while there is no pair. Nothing may be sent to it then.
  public func consentExpired(now: Instant) -> Bool { now.since(lastCheck) >= Self.consentLifetime }

  /// The local username fragment that a STUN request names, to find its peer. nil if it is not a request or has no
  /// USERNAME of the form "<local>:<remote>". Nothing is verified.
  public static func localUsernameFragment(of datagram: [UInt8]) -> String? {
    guard let name = STUNMessage.username(ofRequest: datagram), let colon = name.firstIndex(of: UInt8(ascii: ":"))
    else { return nil }
    return String(validating: name[..<colon], as: UTF8.self)
  }
}

// MARK: Authentication

extension ICEAgent {
  private struct Rejection: Error {
    var reason: DropReason
    var error: STUNErrorCode
  }

  /// The session whose credentials the request was made with (RFC 8489 section 9.1.3, RFC 8445 section 7.3).
  private func authenticate(_ request: STUNMessage, _ datagram: [UInt8]) -> Result<Session, Rejection> {
    guard let username = request.username, request.messageIntegrity != nil else {
      return .failure(Rejection(reason: .missingCredentials, error: .badRequest))
    }
    guard let session = [current, previous].lazy.compactMap({ $0 }).first(where: { $0.accepts(username) }) else {
      return .failure(Rejection(reason: .wrongUsername, error: .unauthorized))
    }
    guard request.verifyIntegrity(of: datagram, key: Array(session.local.password.utf8)) else {
      return .failure(Rejection(reason: .badIntegrity, error: .unauthorized))
    }
    return .success(session)
  }

  private func refuse(_ request: STUNMessage, _ datagram: [UInt8], _ rejection: Rejection) -> Outcome {
    let response = Response(to: request, key: nil).error(rejection.error)
    return response.count <= datagram.count ? .respond(response) : .dropped(rejection.reason)
  }
}

extension ICEAgent.Session {
  /// "<local ufrag>:<remote ufrag>"; any remote fragment while the client's is not known, since its checks may come
  /// before its SDP.
  func accepts(_ username: String) -> Bool {
    guard username.utf8.starts(with: local.usernameFragment.utf8) else { return false }
    let rest = username.utf8.dropFirst(local.usernameFragment.utf8.count)
    guard rest.first == UInt8(ascii: ":") else { return false }
    return remote.map { rest.dropFirst().elementsEqual($0.usernameFragment.utf8) } ?? true
  }
}

// MARK: Nomination

extension ICEAgent {
  /// Takes in an authenticated check; true if it selected its pair.
  private mutating func validCheck(
    _ request: STUNMessage, of session: Session, on tuple: FiveTuple, now: Instant
  ) -> Bool {
    let isNew = session.local == current.local
    let isSelected = request.useCandidate && nominate(request, isNew: isNew, on: tuple, now: now)
    if selection == nil || selection?.pair == tuple {
      selection?.checked(at: now)
      lastCheck = now
    }
    return isSelected
  }

  private mutating func nominate(_ request: STUNMessage, isNew: Bool, on tuple: FiveTuple, now: Instant) -> Bool {
    let nomination = Selection.Nomination(
      pair: tuple, priority: request.priority ?? 0, transactionID: request.transactionID, at: now)
    // The first nomination after an ICE restart is obeyed whatever the old pair was.
    let endsRestart = isNew && previous != nil
    if endsRestart { previous = nil }
    guard let old = selection, !(endsRestart && old.pair != tuple) else {
      let isMoved = selection?.pair != tuple
      selection = Selection(nomination)
      return isMoved
    }
    return selection?.nominated(nomination) ?? false
  }
}
