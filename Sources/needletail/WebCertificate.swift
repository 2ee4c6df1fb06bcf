import DTLS
import Foundation
import Signalling

/// The certificate of HTTPS: the operator's, or one for development made on the first run.
struct WebCertificate {
  let identity: TLSIdentity
  /// Says, for the log, where it is from.
  let note: String

  static let folder = "certs"

  /// nil: plain HTTP.
  static func load(_ configuration: ServerConfiguration) throws -> WebCertificate? {
    if configuration.isPlainHTTP { return nil }
    if let own = try configured(configuration) { return own }
    return try development()
  }

  /// The operator's; nil without one.
  static func configured(_ configuration: ServerConfiguration) throws(ConfigurationError) -> WebCertificate? {
    guard let certificate = configuration.certificate, let key = configuration.certificateKey else { return nil }
    let certificatePEM = try text("certificate", certificate, configuration)
    let keyPEM = try text("certificate-key", key, configuration)
    do throws(TLSIdentity.Failure) {
      let identity = try TLSIdentity(certificate: certificatePEM, key: keyPEM)
      return WebCertificate(identity: identity, note: "certificate \(certificate)")
    } catch {
      switch error {
      case .notCertificate:
        throw configuration.error("certificate", "\(certificate) holds no certificate in PEM")
      case .notKey:
        throw configuration.error("certificate-key", "\(key) holds no private key in PEM that needs no passphrase")
      case .unusable:
        throw configuration.error("certificate-key", "\(key) is not the key of the certificate in \(certificate)")
      }
    }
  }

  /// What an operator should know of its end; nil while that is far.
  var expiryWarning: String? {
    guard isNearItsEnd else { return nil }
    let verb = identity.expiry < Date() ? "expired" : "expires"
    return "\(note) \(verb) at \(identity.expiry.formatted(.iso8601))"
  }

  private var isNearItsEnd: Bool { identity.expiry < Date().addingTimeInterval(7 * 86400) }

  private static func text(
    _ key: String, _ path: String, _ configuration: ServerConfiguration
  ) throws(ConfigurationError) -> String {
    do throws(UnreadableFile) { return try TextFile.read(path) } catch {
      throw configuration.error(key, "\(path) \(error)")
    }
  }

  // MARK: For development

  /// Throws what would keep the start from making the certificate that it would need; changes nothing.
  static func checkDevelopment(_ configuration: ServerConfiguration) throws(ConfigurationError) {
    guard configuration.usesDevelopmentCertificate, existing == nil else { return }
    let place = access(folder, F_OK) == 0 ? folder + "/" : "."
    guard access(place, W_OK | X_OK) == 0 else { throw notWritable(paths.key) }
  }

  /// Made anew when it is missing, expires within a week or cannot be read.
  private static func development() throws -> WebCertificate {
    if let existing { return existing }
    let pem = try DevelopmentCertificate.generate(hosts: hosts())
    if mkdir(folder, 0o777) != 0, errno != EEXIST { throw notWritable(folder) }
    try write(pem.keyPEM, to: paths.key, mode: 0o600)
    try write(pem.certificatePEM, to: paths.certificate, mode: 0o644)
    return WebCertificate(
      identity: try TLSIdentity(certificate: pem.certificatePEM, key: pem.keyPEM),
      note: "development certificate made in \(paths.certificate); browsers warn about it once")
  }

  private static let paths = (certificate: folder + "/development.pem", key: folder + "/development-key.pem")

  /// One made before that is still good.
  private static var existing: WebCertificate? {
    guard let certificate = try? TextFile.read(paths.certificate), let key = try? TextFile.read(paths.key),
      let identity = try? TLSIdentity(certificate: certificate, key: key)
    else { return nil }
    let found = WebCertificate(identity: identity, note: "development certificate \(paths.certificate)")
    return found.isNearItsEnd ? nil : found
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
  private static func write(_ text: String, to path: String, mode: mode_t) throws(ConfigurationError) {
    let temporary = path + ".new"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw notWritable(path) }
    let bytes = Array(text.utf8)
    let count = Glibc.write(descriptor, bytes, bytes.count)
    guard close(descriptor) == 0, count == bytes.count, rename(temporary, path) == 0 else { throw notWritable(path) }
  }

  /// Right after the call that failed.
  private static func notWritable(_ path: String) -> ConfigurationError {
    let reason = String(cString: strerror(errno))
    let place = FileManager.default.currentDirectoryPath
    return ConfigurationError(
      origin: "certificate",
      problem: "no development certificate can be made: \(path) in \(place): \(reason); set certificate and "
        + "certificate-key, or start in a folder that may be written")
  }
}
