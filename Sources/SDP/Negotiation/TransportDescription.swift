import Wire

/// What our side says of its transport: ICE-lite, one host candidate per address.
public struct LocalTransportDescription: Hashable, Sendable {
  public var iceUfrag: String
  public var icePwd: String
  public var fingerprint: Fingerprint
  /// Host candidates; the first has the highest priority.
  public var candidates: [SocketAddress]

  public init(iceUfrag: String, icePwd: String, fingerprint: Fingerprint, candidates: [SocketAddress]) {
    self.iceUfrag = iceUfrag
    self.icePwd = icePwd
    self.fingerprint = fingerprint
    self.candidates = candidates
  }

  /// The lines under an m-line, the same under every m-line of the bundle.
  func lines(setup: SetupRole) -> [SDPLine] {
    [
      .attribute("ice-ufrag", iceUfrag), .attribute("ice-pwd", icePwd), .attribute("ice-options", "trickle"),
      fingerprint.attribute, .attribute("setup", setup.rawValue),
    ]
  }

  /// The lines that only the first m-line of the bundle has.
  var candidateLines: [SDPLine] {
    iceCandidates.map { .attribute("candidate", "\($0)") } + [.attribute("end-of-candidates")]
  }

  var iceCandidates: [ICECandidate] {
    candidates.enumerated().map { ICECandidate(host: $0.element, index: $0.offset) }
  }
}

/// What the peer says of its transport.
public struct RemoteTransportDescription: Hashable, Sendable {
  public var iceUfrag: String
  public var icePwd: String
  public var fingerprints: [Fingerprint]
  public var setup: SetupRole
  public var candidates: [ICECandidate]

  public init(
    iceUfrag: String, icePwd: String, fingerprints: [Fingerprint], setup: SetupRole, candidates: [ICECandidate]
  ) {
    self.iceUfrag = iceUfrag
    self.icePwd = icePwd
    self.fingerprints = fingerprints
    self.setup = setup
    self.candidates = candidates
  }

  /// From the m-line that stands for the bundle, else from the session (RFC 8839 section 5.4, RFC 8122 section 5).
  /// `defaultSetup` is meant where none is written.
  init(
    _ section: MediaDescription, in session: SessionDescription, defaultSetup: SetupRole
  ) throws(SDPError) {
    guard let ufrag = section.iceUfrag ?? session.iceUfrag, let pwd = section.icePwd ?? session.icePwd else {
      throw .noICECredentials
    }
    let fingerprints = section.fingerprints.isEmpty ? session.fingerprints : section.fingerprints
    guard !fingerprints.isEmpty else {
      let isThere = section.hasAttribute("fingerprint") || session.hasAttribute("fingerprint")
      throw isThere ? .badFingerprint : .noFingerprint
    }
    let written = section.attribute("setup") ?? session.attribute("setup")
    let setup = written.map { SetupRole(rawValue: String($0)) } ?? defaultSetup
    guard let setup, setup != .holdconn else { throw .badSetup(String(written ?? "")) }
    self.init(
      iceUfrag: ufrag, icePwd: pwd, fingerprints: fingerprints, setup: setup, candidates: section.candidates)
  }

  /// Whether both would be the same ICE generation (RFC 8839 section 4.4.1.1.1).
  func hasSameCredentials(as other: RemoteTransportDescription) -> Bool {
    iceUfrag == other.iceUfrag && icePwd == other.icePwd
  }
}
