import COpenSSL

/// The settings every association shares, as an OpenSSL SSL_CTX: DTLS 1.2, forward secrecy and authenticated encryption
/// only, a certificate from both sides, SRTP keys as the purpose; no resumption.
// @unchecked Sendable although a pointer is not: init alone changes the SSL_CTX. Afterwards it is only given to SSL_new,
// which OpenSSL allows from any thread, and the reference that each SSL takes is counted atomically.
final class DTLSContext: @unchecked Sendable {
  let pointer: OpaquePointer

  /// RFC 8827 section 6.5 demands the first. RSA ones are for peers whose certificate is RSA; ours is ECDSA.
  private static let ciphers = [
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
  ]
  /// Key exchange is by the first two with every peer of today, since the server's order decides and browsers know both.
  /// The others are there because TLS 1.2 lets a side show only certificates of curves that the other lists (RFC 8422
  /// section 5.1), and which curve a self-signed certificate is of says nothing: its fingerprint alone counts.
  private static let groups = [
    "X25519", "P-256", "X448", "P-384", "P-521", "secp224r1", "secp256k1", "brainpoolP256r1", "brainpoolP384r1",
    "brainpoolP512r1",
  ]
  /// In our order of preference, which decides when we are the server.
  private static let srtpProfiles = ["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]
  /// A WebRTC certificate takes under 2 kB; OpenSSL would reassemble 100 kB.
  private static let longestCertificateList = 16_384

  init(_ certificate: SelfSignedCertificate) throws(OpenSSLError) {
    OpenSSLErrorQueue.clear()
    pointer = try required(SSL_CTX_new(DTLS_method()), "SSL_CTX_new")
    try configureProtocol()
    try configureIdentity(certificate)
  }

  deinit { SSL_CTX_free(pointer) }

  private func configureProtocol() throws(OpenSSLError) {
    try require(control(SSL_CTRL_SET_MIN_PROTO_VERSION, Int(DTLS1_2_VERSION)), "DTLS 1.2")
    try require(control(SSL_CTRL_SET_MAX_PROTO_VERSION, Int(DTLS1_2_VERSION)), "DTLS 1.2")
    SSL_CTX_set_options(pointer, needletail_dtls_options)
    _ = control(SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF))
    _ = control(SSL_CTRL_SET_MAX_CERT_LIST, Self.longestCertificateList)
    try require(SSL_CTX_set_cipher_list(pointer, Self.ciphers.joined(separator: ":")), "ciphers")
    try require(setGroups(Self.groups.filter { setGroups([$0]) == 1 }), "groups")
    guard SSL_CTX_set_tlsext_use_srtp(pointer, Self.srtpProfiles.joined(separator: ":")) == 0 else {
      throw OpenSSLError("use_srtp")
    }
  }

  /// 1, or 0 if this OpenSSL lacks one of them.
  private func setGroups(_ names: [String]) -> Int {
    names.joined(separator: ":").withCString {
      SSL_CTX_ctrl(pointer, SSL_CTRL_SET_GROUPS_LIST, 0, .init(mutating: $0))
    }
  }

  private func configureIdentity(_ certificate: SelfSignedCertificate) throws(OpenSSLError) {
    try require(SSL_CTX_use_certificate(pointer, certificate.x509), "certificate")
    try require(SSL_CTX_use_PrivateKey(pointer, certificate.key), "private key")
    SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    // In place of a chain of trust: the fingerprint from signalling (RFC 5763). Refusing makes OpenSSL send an alert.
    SSL_CTX_set_cert_verify_callback(pointer, { store, _ in DTLSAssociation.verifyCertificate(in: store) }, nil)
  }

  private func control(_ command: Int32, _ value: Int) -> Int { SSL_CTX_ctrl(pointer, command, value, nil) }
}
