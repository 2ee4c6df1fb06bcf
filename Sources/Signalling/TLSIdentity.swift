import Foundation
import NIOSSL

/// A certificate chain and its private key, ready to serve with.
public struct TLSIdentity: Sendable {
  /// When the certificate ends.
  public let expiry: Date
  let context: NIOSSLContext

  /// What is wrong with the two.
  public enum Failure: Error, Hashable, Sendable {
    case notCertificate
    case notKey
    /// They do not belong together, or TLS has no use for them.
    case unusable
  }

  /// Both are PEM.
  public init(certificate: String, key: String) throws(Failure) {
    guard let chain = try? NIOSSLCertificate.fromPEMBytes([UInt8](certificate.utf8)), let leaf = chain.first else {
      throw .notCertificate
    }
    guard let key = try? NIOSSLPrivateKey(bytes: [UInt8](key.utf8), format: .pem) else { throw .notKey }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    guard let context = try? NIOSSLContext(configuration: configuration) else { throw .unusable }
    self.context = context
    expiry = Date(timeIntervalSince1970: TimeInterval(leaf.notValidAfter))
  }
}
