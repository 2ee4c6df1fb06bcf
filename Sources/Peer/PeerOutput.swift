import DTLS
import ICE
import RTP
import SRTP
import Wire

/// What is to be done, or what happened, after an event of a peer.
public enum PeerOutput: Hashable, Sendable {
  /// Send this datagram.
  case send([UInt8], FiveTuple)
  /// ICE, DTLS, the fingerprint and the key export are complete: media may flow on this 5-tuple. Comes once.
  case connected(FiveTuple, inbound: SRTPKeys, outbound: SRTPKeys)
  /// The connected peer selected another pair: media now goes there. The keys stay.
  case moved(FiveTuple)
  /// Authenticated RTCP.
  case rtcp([RTCPPacket], receivedAt: Instant)
  /// The datagram, or what was left of it, was ignored. One of a small set of names, fit for a counter's label.
  case dropped(reason: String)
  /// A STUN request was answered with an error. One of a small set of names that begin with the error's code.
  case refused(reason: String)
  /// Over; nothing may be sent any more.
  case failed(PeerFailure)
  /// Over: the peer sent close_notify.
  case closed
}

/// Why a peer ended by itself.
public enum PeerFailure: Error, Hashable, Sendable {
  case ice(ICEAgent.Expiry)
  case dtls(DTLSFailure)

  /// For logs and messages, and of ICE fit for a counter's label.
  public var name: String {
    switch self {
    case .ice(.noChecks): "no-checks"
    case .ice(.notNominated): "not-nominated"
    case .ice(.consentExpired): "consent-expired"
    case .dtls(.timeout): "handshake-timeout"
    case .dtls(.fingerprintMismatch): "fingerprint-mismatch"
    case .dtls(.alert(let alert)): "DTLS alert: \(alert)"
    case .dtls(.noProfile): "no common SRTP profile"
    case .dtls(.protocolError(let reason)): "DTLS: \(reason)"
    }
  }
}

/// How far a peer has come; see `Peer`.
public enum PeerState: Hashable, Sendable { case new, checking, connecting, connected, closed }
