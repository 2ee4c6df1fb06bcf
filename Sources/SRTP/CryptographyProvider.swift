/// The library that encrypts and authenticates RTP.
public enum CryptographyProvider: String, Hashable, Sendable, CaseIterable {
  /// intel-ipsec-mb, on x86-64 processors with AES instructions.
  case ipsecMB = "ipsec-mb"
  /// OpenSSL's EVP interface with one reused context per key: everywhere.
  case openSSL = "openssl"
  /// The fastest of the two that this machine can run.
  case preferred
}

/// One worker's cryptography: the provider's working memory and the packets it has in flight. Not shared between threads.
/// Sealers and openers made with an engine are used with that engine only, and not after it is gone.
public struct CryptographyEngine: ~Copyable {
  /// What runs: `.ipsecMB` or `.openSSL`, never `.preferred`.
  public let provider: CryptographyProvider

  #if arch(x86_64)
    var ipsecMB: IPsecMBEngine

    /// Takes `.openSSL` where ipsec-mb cannot run.
    public init(_ provider: CryptographyProvider = .preferred) {
      ipsecMB = IPsecMBEngine(enabled: provider != .openSSL)
      self.provider = ipsecMB.isAvailable ? .ipsecMB : .openSSL
    }

    /// Finishes every packet that sealers have left in flight.
    @inline(__always)
    public mutating func flush() {
      if !ipsecMB.isIdle { ipsecMB.flush() }
    }

    /// Begins to open the packets that were announced (`RTPOpener.announce`), all together.
    public mutating func beginAnnounced() { ipsecMB.beginAnnounced() }

    /// Forgets the packets that were announced: from here on they may change, and their openers go.
    public mutating func forgetAnnounced() { ipsecMB.forgetAnnounced() }
  #else
    public init(_ provider: CryptographyProvider = .preferred) { self.provider = .openSSL }

    /// Finishes every packet that sealers have left in flight; OpenSSL leaves none.
    public mutating func flush() {}

    public mutating func beginAnnounced() {}
    public mutating func forgetAnnounced() {}
  #endif
}
