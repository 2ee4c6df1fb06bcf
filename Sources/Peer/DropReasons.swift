import ICE
import SRTP

/// The names under which ignored and refused datagrams are counted.
enum Dropped {
  static let peerClosed = PeerOutput.dropped(reason: "peer-closed")
  static let unknownKind = PeerOutput.dropped(reason: "not-webrtc")
  /// RTP belongs to the fast path.
  static let rtp = PeerOutput.dropped(reason: "rtp-on-control-path")
  /// DTLS or RTCP from an address on which no check was valid.
  static let unverifiedAddress = PeerOutput.dropped(reason: "address-not-verified")
  static let tooManyEarlyDatagrams = PeerOutput.dropped(reason: "dtls-too-early")
  static let rtcpBeforeKeys = PeerOutput.dropped(reason: "rtcp-before-dtls")
  static let malformedRTCP = PeerOutput.dropped(reason: "rtcp-malformed")
  /// Beside parts that could be read.
  static let malformedRTCPPart = PeerOutput.dropped(reason: "rtcp-part-malformed")

  static func stun(_ reason: ICEAgent.DropReason) -> PeerOutput {
    switch reason {
    case .malformed: .dropped(reason: "stun-malformed")
    case .notBindingRequest: .dropped(reason: "stun-not-binding-request")
    case .badFingerprint: .dropped(reason: "stun-bad-fingerprint")
    case .missingCredentials: .dropped(reason: "stun-missing-credentials")
    case .wrongUsername: .dropped(reason: "stun-wrong-username")
    case .badIntegrity: .dropped(reason: "stun-bad-integrity")
    case .replayed: .dropped(reason: "stun-replayed")
    }
  }

  static func srtcp(_ error: SRTCPError) -> PeerOutput {
    switch error {
    case .authenticationFailed: .dropped(reason: "srtcp-authentication-failed")
    case .replayed: .dropped(reason: "srtcp-replayed")
    case .malformed: .dropped(reason: "srtcp-malformed")
    case .tooManySSRCs: .dropped(reason: "srtcp-too-many-ssrcs")
    case .notEncrypted: .dropped(reason: "srtcp-not-encrypted")
    }
  }
}

extension ICEAgent.Refusal {
  /// The error's code and reason, under which it is counted.
  public var name: String {
    switch self {
    case .missingCredentials: "400-missing-credentials"
    case .wrongUsername: "401-wrong-username"
    case .badIntegrity: "401-bad-integrity"
    case .unknownAttribute: "420-unknown-attribute"
    case .roleConflict: "487-role-conflict"
    }
  }
}
