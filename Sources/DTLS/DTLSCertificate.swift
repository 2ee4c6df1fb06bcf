import COpenSSL

/// Our certificate in DTLS handshakes: ECDSA P-256, self-signed, its fingerprint announced in SDP (RFC 8827 section 6.5). One
/// serves every association of the process.
public final class DTLSCertificate: Sendable {
  /// SHA-256 of the certificate as SDP writes it: "AA:BB:…", for `a=fingerprint:sha-256`.
  public let fingerprint: String

  /// What associations share: the settings and the key.
  let context: DTLSContext

  private init(_ certificate: SelfSignedCertificate) throws(OpenSSLError) {
    fingerprint = try required(CertificateFingerprint(of: certificate.x509, algorithm: .sha256), "fingerprint").value
    context = try DTLSContext(certificate)
  }

  /// A fresh key and certificate. `commonName` shows on the wire in clear: name nobody in it.
  public static func generate(commonName: String = "WebRTC") throws(OpenSSLError) -> DTLSCertificate {
    try DTLSCertificate(SelfSignedCertificate(commonName: commonName, days: 365))
  }
}
