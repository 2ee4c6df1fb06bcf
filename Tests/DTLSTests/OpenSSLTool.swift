import DTLS
import Foundation
import Wire

/// A run of the `openssl` program as a DTLS peer, and a UDP socket on loopback through which an association talks to it.
/// Every wait ends after `patience`.
final class OpenSSLTool {
  static let path = "/usr/bin/openssl"
  static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }
  static let patience = 30.0

  private let process = Process()
  private let input = Pipe()
  private let folder: URL
  private let output: URL
  /// SHA-256 of the certificate it shows.
  let fingerprint: String

  struct Failed: Error { let what: String }

  /// Starts `openssl` with `arguments` and a fresh certificate; `key`: what it is made of, e.g. "ec:secp384r1", "rsa:2048" or
  /// "ed25519".
  init(_ arguments: [String], withCertificate: Bool = true, key kind: String? = nil) throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("dtls-\(UInt64.random(in: 0 ... .max))")
    output = folder.appendingPathComponent("output")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let certificate = folder.appendingPathComponent("certificate.pem")
    let key = folder.appendingPathComponent("key.pem")
    if let kind {
      try Self.makeCertificate(kind, certificate, key)
    } else {
      let pem = try DevelopmentCertificate.generate(hosts: ["localhost"])
      try pem.certificatePEM.write(to: certificate, atomically: true, encoding: .utf8)
      try pem.keyPEM.write(to: key, atomically: true, encoding: .utf8)
    }
    fingerprint = try Self.fingerprint(of: certificate)
    _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    process.executableURL = URL(fileURLWithPath: Self.path)
    process.arguments = arguments + (withCertificate ? ["-cert", certificate.path, "-key", key.path] : [])
    process.standardInput = input  // stays open: at its end s_client would leave
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  /// Ends the program and removes its files.
  func stop() {
    // Not SIGTERM, which the threads of a test may have blocked, and a child with them.
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: folder)
  }

  var isRunning: Bool { process.isRunning }
  var text: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

  /// The bytes after "Keying material:", once it has printed them.
  var keyingMaterial: [UInt8]? {
    guard let line = text.split(separator: "\n").first(where: { $0.contains("Keying material: ") }) else { return nil }
    let digits = Array(line.drop { $0 != ":" }.dropFirst(2))
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
  }

  private static func makeCertificate(_ kind: String, _ certificate: URL, _ key: URL) throws {
    let process = Process()
    let parts = kind.split(separator: ":").map(String.init)
    let curve = parts[0] == "ec" ? ["-pkeyopt", "ec_paramgen_curve:\(parts[1])"] : []
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments =
      ["req", "-x509", "-nodes", "-subj", "/CN=t", "-newkey", parts[0] == "ec" ? "ec" : kind] + curve
      + ["-keyout", key.path, "-out", certificate.path]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(what: "certificate of \(kind)") }
  }

  private static func fingerprint(of certificate: URL) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["x509", "-in", certificate.path, "-noout", "-fingerprint", "-sha256"]
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard let value = text.split(separator: "=").last else { throw Failed(what: "fingerprint") }
    return value.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

/// A UDP socket on 127.0.0.1.
final class LoopbackSocket {
  private let descriptor: Int32
  let port: UInt16
  private var peer = sockaddr_in()

  struct Failed: Error {}

  init() throws {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    self.descriptor = descriptor
    var address = Self.address(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    guard descriptor >= 0, isBound else { throw Failed() }
  }

  deinit { close(descriptor) }

  /// Where `send` goes; also set by each `receive` to its sender.
  func connect(to port: UInt16) { peer = Self.address(port: port) }

  func send(_ bytes: [UInt8]) {
    withUnsafePointer(to: &peer) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// The next datagram; nil if none comes within `milliseconds`.
  func receive(within milliseconds: Int32) -> [UInt8]? {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, milliseconds) > 0 else { return nil }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let count = withUnsafeMutablePointer(to: &peer) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
      }
    }
    return count > 0 ? Array(buffer.prefix(count)) : nil
  }

  private static func address(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    return address
  }
}
