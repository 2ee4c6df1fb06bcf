import COpenSSL
import Wire

/// A self-signed certificate for HTTPS on a developer's machine: browsers show a warning once and then allow the camera.
public enum DevelopmentCertificate {
  public static let validDays = 365

  /// A fresh ECDSA P-256 key and certificate, in PEM (the key as PKCS #8), whose subject alternative names are `hosts`:
  /// DNS names and IP addresses in text. Throws for an empty list, a name that is not plain ASCII of 1 to 253 characters, or
  /// when OpenSSL fails.
  public static func generate(
    hosts: [String]
  ) throws(OpenSSLError) -> (certificatePEM: String, keyPEM: String) {
    guard !hosts.isEmpty else { throw OpenSSLError("certificate", reason: "no host given") }
    var names: [SelfSignedCertificate.Name] = []
    for host in hosts { names.append(try name(host)) }
    let certificate = try SelfSignedCertificate(commonName: "Needletail development", names: names, days: validDays)
    return (
      try pem { PEM_write_bio_X509($0, certificate.x509) },
      try pem { PEM_write_bio_PrivateKey($0, certificate.key, nil, nil, 0, nil, nil) }
    )
  }

  private static func name(_ host: String) throws(OpenSSLError) -> SelfSignedCertificate.Name {
    if let ip = IPAddress(host) { return .ip(ip) }
    let allowed = host.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    guard allowed, (1...253).contains(host.utf8.count) else {
      throw OpenSSLError("certificate", reason: "\"\(host)\" is neither a host name nor an IP address")
    }
    return .dns(host)
  }

  private static func pem(_ write: (OpaquePointer) -> Int32) throws(OpenSSLError) -> String {
    let bio = try required(BIO_new(BIO_s_mem()), "BIO_new")
    defer { BIO_free(bio) }
    try require(write(bio), "PEM")
    var text = [UInt8](repeating: 0, count: 8192)
    let length = BIO_read(bio, &text, Int32(text.count))
    try require(length, "PEM")
    return String(decoding: text.prefix(Int(length)), as: UTF8.self)
  }
}
