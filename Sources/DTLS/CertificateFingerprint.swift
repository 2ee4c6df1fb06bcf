import COpenSSL

/// A certificate fingerprint as SDP carries it (RFC 8122 section 5): a hash function's name and the digest.
struct CertificateFingerprint: Hashable, Sendable {
  /// The hash functions accepted, weakest first. SHA-1 and MD5 are not: forging them is practical or nearly so.
  enum Algorithm: Int, Comparable, CaseIterable, Sendable {
    case sha256, sha384, sha512

    init?(name: String) {
      switch name.lowercased() {
      case "sha-256": self = .sha256
      case "sha-384": self = .sha384
      case "sha-512": self = .sha512
      default: return nil
      }
    }

    var digest: OpaquePointer? {
      switch self {
      case .sha256: EVP_sha256()
      case .sha384: EVP_sha384()
      case .sha512: EVP_sha512()
      }
    }

    var length: Int { [32, 48, 64][rawValue] }

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  var algorithm: Algorithm
  var digest: [UInt8]

  /// Parses e.g. ("sha-256", "AA:0b:…"), upper or lower case; nil for an unknown algorithm or a value of another form.
  init?(algorithm name: String, value: String) {
    guard let algorithm = Algorithm(name: name) else { return nil }
    let octets = value.split(separator: ":", omittingEmptySubsequences: false)
    let digest = octets.compactMap { $0.utf8.count == 2 && $0.allSatisfy(\.isHexDigit) ? UInt8($0, radix: 16) : nil }
    guard octets.count == algorithm.length, digest.count == octets.count else { return nil }
    self.algorithm = algorithm
    self.digest = digest
  }

  /// The fingerprint of an X.509 certificate; nil if OpenSSL cannot compute it.
  init?(of certificate: OpaquePointer, algorithm: Algorithm) {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    guard X509_digest(certificate, algorithm.digest, &digest, &length) == 1 else { return nil }
    self.algorithm = algorithm
    self.digest = Array(digest.prefix(Int(length)))
  }

  /// "AA:0B:…"
  var value: String {
    let digits = Array("0123456789ABCDEF")
    return digest.map { String([digits[Int($0 >> 4)], digits[Int($0 & 15)]]) }.joined(separator: ":")
  }
}

/// Which certificates a peer may show: the fingerprints of its session description.
struct AcceptedFingerprints: Sendable {
  private let accepted: Set<CertificateFingerprint>
  private let algorithm: CertificateFingerprint.Algorithm?

  /// Of the hash functions offered only the strongest counts (RFC 8122 section 5). Unknown ones are ignored; when none is
  /// known, nothing is accepted.
  init(_ offered: [(algorithm: String, value: String)]) {
    let known = offered.compactMap { CertificateFingerprint(algorithm: $0.algorithm, value: $0.value) }
    algorithm = known.map(\.algorithm).max()
    accepted = Set(known)
  }

  func accepts(_ certificate: OpaquePointer) -> Bool {
    guard let algorithm, let shown = CertificateFingerprint(of: certificate, algorithm: algorithm) else { return false }
    return accepted.contains(shown)
  }
}
