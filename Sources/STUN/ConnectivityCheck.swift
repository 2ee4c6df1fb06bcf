import Wire

/// The client's side of an ICE connectivity check (RFC 8445 section 7.2): the Binding request it sends, and what the
/// answer says. The server itself is ICE-lite and never sends one; load tools and tests do.
public struct ConnectivityCheck: Sendable {
  /// "<their ufrag>:<our ufrag>".
  public var username: String
  /// The password of the agent that is checked; it protects the request and the response.
  public var password: String
  public var priority: UInt32
  /// Sent as ICE-CONTROLLING or ICE-CONTROLLED.
  public var role: Role
  public var useCandidate: Bool

  public enum Role: Hashable, Sendable {
    case controlling(tieBreaker: UInt64)
    case controlled(tieBreaker: UInt64)
  }

  public init(
    username: String, password: String, priority: UInt32 = 0x6e7f_1eff, role: Role = .controlling(tieBreaker: 1),
    useCandidate: Bool = true
  ) {
    self.username = username
    self.password = password
    self.priority = priority
    self.role = role
    self.useCandidate = useCandidate
  }

  /// The Binding request, with integrity and fingerprint.
  public func encode(transactionID: STUNTransactionID) -> [UInt8] {
    message(transactionID: transactionID).encode(integrityKey: Array(password.utf8), fingerprint: true)
  }

  /// The Binding request without integrity and fingerprint, to be changed before it is encoded.
  public func message(transactionID: STUNTransactionID) -> STUNMessage {
    var attributes: [STUNAttribute] = [.username(username), .priority(priority)]
    switch role {
    case .controlling(let tieBreaker): attributes.append(.iceControlling(tieBreaker))
    case .controlled(let tieBreaker): attributes.append(.iceControlled(tieBreaker))
    }
    if useCandidate { attributes.append(.useCandidate) }
    return STUNMessage(class: .request, method: .binding, transactionID: transactionID, attributes: attributes)
  }

  /// What a datagram says to this check.
  public enum Answer: Hashable, Sendable {
    /// The check succeeded; the address that the other side saw it come from.
    case success(SocketAddress)
    /// An error response. Only those to authenticated requests (420, 487) are protected; believe others with care.
    case refused(STUNErrorCode, isAuthenticated: Bool)
    /// No valid response to this transaction: another protocol, another transaction, or wrong integrity.
    case notAnAnswer
  }

  /// Reads a datagram that may be the response to the request sent with `transactionID`.
  public func answer(_ datagram: [UInt8], to transactionID: STUNTransactionID) -> Answer {
    guard let message = try? STUNMessage.decode(datagram), message.transactionID == transactionID,
      message.method == .binding, !message.hasFingerprint || message.fingerprintIsValid(datagram)
    else { return .notAnAnswer }
    let isAuthenticated = message.verifyIntegrity(of: datagram, key: Array(password.utf8))
    switch message.class {
    case .successResponse:
      guard isAuthenticated, let address = message.xorMappedAddress else { return .notAnAnswer }
      return .success(address)
    case .errorResponse:
      guard isAuthenticated || message.messageIntegrity == nil, let error = message.errorCode else {
        return .notAnAnswer
      }
      return .refused(error, isAuthenticated: isAuthenticated)
    case .request, .indication: return .notAnAnswer
    }
  }
}
