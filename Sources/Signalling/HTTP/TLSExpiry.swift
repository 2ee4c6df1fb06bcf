import Foundation
import NIOSSL

extension TLSIdentity {
  /// When the certificate ends; nil if it or the key cannot be read.
  public var expiry: Date? {
    guard let chain = try? NIOSSLCertificate.fromPEMBytes([UInt8](certificatePEM.utf8)), let leaf = chain.first,
      (try? NIOSSLPrivateKey(bytes: [UInt8](keyPEM.utf8), format: .pem)) != nil
    else { return nil }
    return Date(timeIntervalSince1970: TimeInterval(leaf.notValidAfter))
  }
}
