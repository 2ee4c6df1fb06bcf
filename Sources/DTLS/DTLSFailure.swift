/// Why a DTLS association ended other than by close_notify.
public enum DTLSFailure: Error, Hashable, Sendable {
  /// The peer's certificate is not the one that its session description announced (RFC 8122 section 6.2), or none of the
  /// fingerprints there uses SHA-256, SHA-384 or SHA-512.
  case fingerprintMismatch
  /// The peer sent a fatal alert; OpenSSL's name for it, e.g. "handshake failure".
  case alert(String)
  /// The handshake was not complete within `DTLSAssociation.handshakeLimit`.
  case timeout
  /// No SRTP protection profile in common, or the peer does not know the use_srtp extension (RFC 5764 section 4.1).
  case noProfile
  /// The peer broke the protocol, or showed no certificate; OpenSSL's reason.
  case protocolError(String)
}

/// Which side of the handshake we are: `a=setup:active` is the client (RFC 8842).
public enum DTLSRole: Hashable, Sendable { case client, server }
