import DTLS
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
  /// The datagram was ignored. One of a small set of names, fit for a counter's label.
  case dropped(reason: String)
  /// Over; nothing may be sent any more.
  case failed(PeerFailure)
  /// Over: the peer sent close_notify.
  case closed
}

/// Why a peer ended by itself.
public enum PeerFailure: Error, Hashable, Sendable {
  /// 30 s without a valid check on the selected pair (RFC 7675 section 5.1).
  case consentExpired
  /// 30 s without any valid check and no pair yet.
  case noChecks
  case dtls(DTLSFailure)
}

/// How far a peer has come; see `Peer`.
public enum PeerState: Hashable, Sendable { case new, checking, connecting, connected, closed }
