import COpenSSL
import DTLS
import Testing
import Wire

@Suite struct FingerprintTests {
  static let wrong = String(repeating: "ab:", count: 31) + "AB"

  @Test func aClientRefusesAnotherCertificateWithAnAlert() throws {
    let pair = try Pair(clientAccepts: [("sha-256", Self.wrong)])
    pair.start()
    pair.deliver()
    #expect(pair.ended[.client] == .failed(.fingerprintMismatch))
    #expect(pair.ended[.server] == .failed(.alert("bad certificate")))
    #expect(pair.keys.isEmpty)
  }

  @Test func aServerRefusesAnotherCertificateWithAnAlert() throws {
    let pair = try Pair(serverAccepts: [("sha-256", Self.wrong)])
    pair.start()
    pair.deliver()
    #expect(pair.ended[.server] == .failed(.fingerprintMismatch))
    #expect(pair.ended[.client] == .failed(.alert("bad certificate")))
    #expect(pair.keys.isEmpty)
  }

  @Test func caseAndFurtherFingerprintsDoNotMatter() throws {
    let ours = try #require(Pair.clientCertificate).fingerprint
    let accepted = [("sha-1", "00:11"), ("SHA-256", Self.wrong), ("Sha-256", ours.lowercased())]
    let pair = try Pair(serverAccepts: accepted.map { (algorithm: $0.0, value: $0.1) })
    pair.start()
    pair.deliver()
    #expect(pair.isConnected)
  }

  @Test func theStrongestHashDecides() throws {
    let ours = try #require(Pair.clientCertificate).fingerprint
    let sha512 = Array(repeating: "00", count: 64).joined(separator: ":")
    let pair = try Pair(serverAccepts: [("sha-256", ours), ("sha-512", sha512)])
    pair.start()
    pair.deliver()
    #expect(pair.ended[.server] == .failed(.fingerprintMismatch))
  }

  @Test(arguments: [
    [], [("sha-1", "AA")], [("sha-256", "")], [("sha-256", "AA:BB")], [("sha-256", wrong + ":AB")],
    [("sha-256", wrong.replacing(":", with: ""))], [("sha-256", wrong.replacing("ab", with: "+b"))],
  ]) func withoutAUsableFingerprintNobodyIsAccepted(accepted: [(String, String)]) throws {
    let pair = try Pair(serverAccepts: accepted.map { (algorithm: $0.0, value: $0.1) })
    pair.start()
    pair.deliver()
    #expect(pair.ended[.server] == .failed(.fingerprintMismatch))
    #expect(pair.keys[.server] == nil)
  }

  @Test func certificatesDiffer() throws {
    let a = try DTLSCertificate.generate(commonName: "a")
    let b = try DTLSCertificate.generate(commonName: "a")
    #expect(a.fingerprint != b.fingerprint)
    #expect(a.fingerprint.count == 95)
    #expect(a.fingerprint.uppercased() == a.fingerprint)
  }
}

@Suite struct DevelopmentCertificateTests {
  @Test func theCertificateNamesItsHosts() throws {
    let made = try DevelopmentCertificate.generate(hosts: ["localhost", "media.example", "127.0.0.1", "::1"])
    let x509 = try #require(certificate(pem: made.certificatePEM))
    defer { X509_free(x509) }
    for host in ["localhost", "media.example"] { #expect(X509_check_host(x509, host, 0, 0, nil) == 1) }
    for address in ["127.0.0.1", "::1"] { #expect(X509_check_ip_asc(x509, address, 0) == 1) }
    #expect(X509_check_host(x509, "other.example", 0, 0, nil) == 0)
    #expect(X509_check_purpose(x509, X509_PURPOSE_SSL_SERVER, 0) == 1)
    #expect(X509_cmp_current_time(X509_get0_notBefore(x509)) < 0)
    #expect(X509_cmp_current_time(X509_get0_notAfter(x509)) > 0)
  }

  @Test func theKeyBelongsToTheCertificate() throws {
    let made = try DevelopmentCertificate.generate(hosts: ["localhost"])
    let x509 = try #require(certificate(pem: made.certificatePEM))
    defer { X509_free(x509) }
    let key = try #require(read(made.keyPEM) { PEM_read_bio_PrivateKey($0, nil, nil, nil) })
    defer { EVP_PKEY_free(key) }
    #expect(X509_check_private_key(x509, key) == 1)
    #expect(made.keyPEM.hasPrefix("-----BEGIN PRIVATE KEY-----"))
  }

  @Test(arguments: [[], [""], ["a b"], ["exämple.org"], [String(repeating: "a", count: 254)], ["a\nb"]])
  func hostsThatAreNoneAreRefused(hosts: [String]) {
    #expect(throws: OpenSSLError.self) { try DevelopmentCertificate.generate(hosts: hosts) }
  }

  @Test func aCommaInAHostAddsNoName() throws {
    let made = try DevelopmentCertificate.generate(hosts: ["a.example,DNS:b.example"])
    let x509 = try #require(certificate(pem: made.certificatePEM))
    defer { X509_free(x509) }
    #expect(X509_check_host(x509, "b.example", 0, 0, nil) == 0)
  }

  private func certificate(pem: String) -> OpaquePointer? { read(pem) { PEM_read_bio_X509($0, nil, nil, nil) } }

  private func read(_ pem: String, _ parse: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
    // The BIO reads the string where it is.
    pem.withCString { text in
      guard let bio = BIO_new_mem_buf(text, -1) else { return nil }
      defer { BIO_free(bio) }
      return parse(bio)
    }
  }
}
