import DTLS
import Foundation
import Signalling

/// The certificate of HTTPS: the operator's, or one for development made on the first run.
enum WebCertificate {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  static let folder = "certs"

  /// `note` says, for the log, where the certificate is from.
  static func load(_ configuration: ServerConfiguration) throws -> (identity: TLSIdentity, note: String) {
    if let certificate = configuration.certificate, let key = configuration.certificateKey {
      let identity = TLSIdentity(
        certificatePEM: try text(certificate, "certificate"), keyPEM: try text(key, "certificate-key"))
      return (identity, "certificate \(certificate)")
    }
    return try development()
  }

  private static func text(_ path: String, _ key: String) throws -> String {
    guard let text = FileManager.default.contents(atPath: path).flatMap({ String(data: $0, encoding: .utf8) }) else {
      throw Failure(description: "\(key): \(path) cannot be read")
    }
    return text
  }

  /// Made anew when it is missing, expires within a week or cannot be read.
  private static func development() throws -> (identity: TLSIdentity, note: String) {
    let paths = (certificate: folder + "/development.pem", key: folder + "/development-key.pem")
    if let certificate = try? text(paths.certificate, ""), let key = try? text(paths.key, "") {
      let identity = TLSIdentity(certificatePEM: certificate, keyPEM: key)
      if let end = identity.expiry, end > Date().addingTimeInterval(7 * 86400) {
        return (identity, "development certificate \(paths.certificate)")
      }
    }
    let pem = try DevelopmentCertificate.generate(hosts: hosts())
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try write(pem.keyPEM, to: paths.key, mode: 0o600)
    try write(pem.certificatePEM, to: paths.certificate, mode: 0o644)
    return (
      TLSIdentity(certificatePEM: pem.certificatePEM, keyPEM: pem.keyPEM),
      "development certificate made in \(paths.certificate); browsers warn about it once"
    )
  }

  private static func hosts() -> [String] {
    var names = ["localhost", "127.0.0.1", "::1"]
    let host = ProcessInfo.processInfo.hostName
    if !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), host.utf8.count <= 253 { names.append(host) }
    names += HostAddresses.all().map(\.description)
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// Another process never sees half a file, nor a key it may not read.
  private static func write(_ text: String, to path: String, mode: mode_t) throws {
    let temporary = path + ".new"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw Failure(description: "\(path): \(String(cString: strerror(errno)))") }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try handle.write(contentsOf: Data(text.utf8))
    guard rename(temporary, path) == 0 else {
      throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
    }
  }
}
