import Foundation

/// Everything an operator decides. Which keys set these, with their documentation, is in `Setting.all`.
struct ServerConfiguration {
  var address = "127.0.0.1"
  var port = 8443
  var isPlainHTTP = false
  var certificate: String?
  var certificateKey: String?
  var web: String?
  var publicURL: String?

  var mediaPort = 3478
  var publicAddresses: [String] = []
  var iceServers: [String] = []
  var interfaces: [String] = []
  var lane = "auto"
  /// "eth0=socket"
  var interfaceLanes: [String] = []
  var kernelProgram = "auto"
  var workerCPU: Int?
  /// MiB.
  var cacheMemory = 1024

  var auth = "tokens"
  var tokenSecret: String?
  var tokenSecretFile: String?
  var allowedOrigins: [String] = []

  var maximumRooms = 1000
  var maximumParticipants = 1000
  var maximumTracks = 16
  var maximumPacketsPerSecond = 0
  var maximumBytesPerSecond = 0
  var maximumConnections = 4096
  /// nil: a quarter of them.
  var maximumConnectionsPerAddress: Int?
  var maximumMessageBytes = 1 << 20
  var maximumBodyBytes = 1 << 18
  var maximumMessagesPerSecond = 50
  var maximumUnsentBytes = 1 << 20

  var rtpParticipants: [ConfiguredRTPParticipant] = []

  var logLevel = "info"
  var logFormat = "text"
  var adminSocket = Self.defaultAdminSocket

  /// `--dev`: not a key, since it says how to start and not what to be.
  var isDevelopment = false

  /// Where each key was set, by its name: "needletail.yaml:12", "NEEDLETAIL_PORT" or "--port".
  var origins: [String: String] = [:]

  /// Whether HTTPS is served with a certificate of our own making.
  var usesDevelopmentCertificate: Bool { !isPlainHTTP && certificate == nil && certificateKey == nil }

  /// What is wrong with a key's value, at the place where it was set.
  func error(_ key: String, _ problem: String) -> ConfigurationError {
    guard let origin = origins[key] else { return ConfigurationError(origin: key, problem: problem) }
    return ConfigurationError(origin: origin, problem: "\(key): \(problem)")
  }

  static var defaultAdminSocket: String {
    if getuid() == 0 { return "/run/needletail/admin.sock" }
    if let runtime = getenv("XDG_RUNTIME_DIR"), runtime.pointee != 0 {
      return String(cString: runtime) + "/needletail-admin.sock"
    }
    return "/tmp/needletail-\(getuid())/admin.sock"
  }

  /// Where this user may keep a file until the next start: systemd's RuntimeDirectory, else the admin socket's folder.
  var runtimeFolder: String {
    if let folders = getenv("RUNTIME_DIRECTORY"), let first = String(cString: folders).split(separator: ":").first {
      return String(first)
    }
    return URL(fileURLWithPath: adminSocket).deletingLastPathComponent().path
  }

  /// What `--dev` changes, before environment and flags have their say.
  mutating func applyDevelopmentDefaults() {
    isDevelopment = true
    address = "::"
    auth = "none"
  }
}
