import STUN
import Wire

/// The ICE-lite agent of one peer (RFC 8445): it answers connectivity checks and lets the client, always the
/// controlling side, pick the pair by USE-CANDIDATE. It sends no checks of its own; the client's keep consent alive.
///
/// ```
///  no pair ── first nomination ──> selected ── better or later nomination elsewhere, ──> selected (moved)
///     │                               │         or the client's address changed
///     ├── 30 s without a check        │
///     ├── 30 s of checks that         └── 30 s without a check on the pair
///     │   nominate nothing            │
///     └──────────────> expired <──────┘
/// ```
public struct ICEAgent: Sendable {
  /// The credentials under which new checks are expected.
  public var local: ICECredentials { current.local }
  /// Those that a check may name now: the latest, and until it nominates with that, the one before the ICE restart.
  public var localUsernameFragments: [String] { [previous, current].compactMap { $0?.local.usernameFragment } }
  /// The pair that media uses; nil until the client nominates one.
  public var selected: FiveTuple? { selection?.pair }

  private var current: Session
  /// The session before an ICE restart, valid until a check of `current` nominates.
  private var previous: Session?
  private var selection: Selection?
  private var recent = RecentTransactions()
  /// When the last valid check came on the selected pair; before there is one, on any.
  private var lastCheck: Instant
  /// When the first valid check came.
  private var firstCheck: Instant?

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
    /// A valid check. Send this response back on the tuple; the selected pair is what it was.
    case respond([UInt8])
    /// A valid check. Send this response, and use this pair from now on: the first one, or another than before.
    case selected([UInt8], FiveTuple)
    /// Send this error response back on the tuple. It proves nobody's address.
    case refused([UInt8], Refusal)
    case dropped(DropReason)
  }

  /// Why a request is answered with an error.
  public enum Refusal: Hashable, Sendable, CaseIterable {
    /// 400: no USERNAME or no MESSAGE-INTEGRITY.
    case missingCredentials
    /// 401.
    case wrongUsername
    /// 401: made with another password.
    case badIntegrity
    /// 420: an attribute that we would have to understand and do not.
    case unknownAttribute
    /// 487: the client thinks that it is controlled, too.
    case roleConflict
  }

  /// Why there is nothing more to expect of the client.
  public enum Expiry: Hashable, Sendable, CaseIterable {
    /// 30 s from the beginning without a valid check.
    case noChecks
    /// 30 s since the first valid check, and none has nominated. A lite agent has no valid pair and may send nothing
    /// before (RFC 8445 sections 7.3.2 and 12.1.2), so no media flows. RFC 8445 sets no time for it; ours is as long as
    /// consent lives, while clients nominate within a few round trips.
    case notNominated
    /// 30 s without a valid check on the selected pair: the client's consent to be sent to has ended (RFC 7675 section
    /// 5.1). A lite agent sends no checks, so what it goes by are the client's.
    case consentExpired
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
    /// A valid check that was seen before, on another 5-tuple.
    case replayed
  }

  /// Handles a datagram that came on `tuple`.
  ///
  /// Responses to authenticated requests, errors 420 and 487 among them, are protected with our password. 400 and 401
  /// cannot be (RFC 8489 section 9.1.3) and are sent only where they are not larger than the request, so that a forged
  /// source address gains nothing; otherwise the request is dropped.
  ///
  /// A check counts once. Whoever sees it and sends it again is answered where it came first, since the client's
  /// retransmissions have to be, and moves nothing and keeps no consent alive.
  public mutating func received(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> Outcome {
    let request: STUNMessage
    do { request = try STUNMessage.decode(datagram) } catch { return .dropped(.malformed(error)) }
    guard request.class == .request, request.method == .binding else { return .dropped(.notBindingRequest) }
    if request.hasFingerprint && !request.fingerprintIsValid(datagram) { return .dropped(.badFingerprint) }

    switch authenticate(request, datagram) {
    case .failure(let rejection): return refuse(request, datagram, rejection)
    case .success(let session):
      let response = Response(to: request, key: session.local.password)
      if !request.unknownComprehensionRequired.isEmpty {
        return .refused(response.unknownAttributes(), .unknownAttribute)
      }
      // We are always controlled, and a client that hears 487 takes the other role.
      if request.iceControlled != nil { return .refused(response.error(.roleConflict), .roleConflict) }
      let success = response.success(mapped: tuple.remote)
      switch recent.note(request.transactionID, on: tuple) {
      case .fresh:
        let isMoved = validCheck(request, of: session, on: tuple, now: now)
        return isMoved ? .selected(success, tuple) : .respond(success)
      case .again: return .respond(success)
      case .elsewhere:
        let isBack = selection?.original(of: request.transactionID, on: tuple, at: now) ?? false
        return isBack ? .selected(success, tuple) : .dropped(.replayed)
      }
    }
  }

  /// Whether it is over, and why. Nothing may be sent to the client then.
  public func expired(now: Instant) -> Expiry? {
    guard selection == nil, let firstCheck else {
      guard now.since(lastCheck) >= Self.consentLifetime else { return nil }
      return selection == nil ? .noChecks : .consentExpired
    }
    return now.since(firstCheck) >= Self.consentLifetime ? .notNominated : nil
  }

  /// Whether the client has not checked the selected pair for longer than clients that keep a pair let pass.
  public func isSilent(now: Instant) -> Bool { now.since(lastCheck) >= Selection.silence }

  /// The local username fragment that a STUN request names, to find its peer. nil if it is not a request or has no
  /// USERNAME of the form "<local>:<remote>". Nothing is verified.
  public static func localUsernameFragment(of datagram: [UInt8]) -> String? {
    datagram.withUnsafeBytes { bytes in
      guard let name = STUNMessage.username(ofRequest: bytes), let colon = name.firstIndex(of: UInt8(ascii: ":")) else {
        return nil
      }
      return String(validating: name[..<colon], as: UTF8.self)
    }
  }
}

// MARK: Authentication

extension ICEAgent {
  private struct Rejection: Error {
    var drop: DropReason
    var refusal: Refusal
    var error: STUNErrorCode
  }

  /// The session whose credentials the request was made with (RFC 8489 section 9.1.3, RFC 8445 section 7.3).
  private func authenticate(_ request: STUNMessage, _ datagram: [UInt8]) -> Result<Session, Rejection> {
    guard let username = request.username, request.messageIntegrity != nil else {
      return .failure(Rejection(drop: .missingCredentials, refusal: .missingCredentials, error: .badRequest))
    }
    guard let session = [current, previous].lazy.compactMap({ $0 }).first(where: { $0.accepts(username) }) else {
      return .failure(Rejection(drop: .wrongUsername, refusal: .wrongUsername, error: .unauthorized))
    }
    guard request.verifyIntegrity(of: datagram, key: Array(session.local.password.utf8)) else {
      return .failure(Rejection(drop: .badIntegrity, refusal: .badIntegrity, error: .unauthorized))
    }
    return .success(session)
  }

  private func refuse(_ request: STUNMessage, _ datagram: [UInt8], _ rejection: Rejection) -> Outcome {
    let response = Response(to: request, key: nil).error(rejection.error)
    return response.count <= datagram.count ? .refused(response, rejection.refusal) : .dropped(rejection.drop)
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
    firstCheck = firstCheck ?? now
    let check = Selection.Check(
      pair: tuple, priority: request.priority ?? 0, transactionID: request.transactionID, at: now)
    let isSelected =
      selection?.isBack(check) == true
      || (request.useCandidate ? nominate(check, isNew: session.local == current.local) : isRebound(check))
    if selection == nil || selection?.pair == tuple {
      selection?.checked(at: now)
      lastCheck = now
    }
    return isSelected
  }

  private mutating func nominate(_ check: Selection.Check, isNew: Bool) -> Bool {
    // The first nomination after an ICE restart is obeyed whatever the old pair was.
    let endsRestart = isNew && previous != nil
    if endsRestart { previous = nil }
    guard let old = selection, !(endsRestart && old.pair != check.pair) else {
      let isMoved = selection?.pair != check.pair
      selection = Selection(check)
      return isMoved
    }
    return selection?.nominated(check) ?? false
  }

  /// While an ICE restart is under way the client looks for another pair, and will nominate it.
  private mutating func isRebound(_ check: Selection.Check) -> Bool {
    previous == nil && selection?.rebound(check) ?? false
  }
}
