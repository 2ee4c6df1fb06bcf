import DTLS
import Foundation
import SRTP
import Testing
import Wire

/// Against OpenSSL's own client and server programs, over loopback.
@Suite(.enabled(if: OpenSSLTool.isInstalled), .serialized)
struct OpenSSLInteroperationTests {
  static let profiles: [(name: String, profile: SRTPProfile)] = [
    ("SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80", .aeadAES128GCM),
    ("SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80", .aeadAES256GCM),
    ("SRTP_AES128_CM_SHA1_80", .aes128CMHMACSHA180),
  ]

  @Test(arguments: 0..<3) func aClientOfOpenSSL(index: Int) throws {
    let (name, profile) = Self.profiles[index]
    let run = try Run(.server, useSRTP: name, exporting: profile)
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.profile == profile)
    #expect(run.tool.keyingMaterial == run.material(client: run.inbound, server: run.outbound))
    #expect(run.tool.keyingMaterial?.isEmpty == false)
    run.perform(run.association.close())
    run.wait { !run.tool.isRunning }
    #expect(!run.tool.isRunning, "close_notify ends s_client")
  }

  @Test(arguments: 0..<3) func aServerOfOpenSSL(index: Int) throws {
    let (name, profile) = Self.profiles[index]
    let run = try Run(.client, useSRTP: name, exporting: profile)
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.profile == profile)
    #expect(run.tool.keyingMaterial == run.material(client: run.outbound, server: run.inbound))
    #expect(run.tool.keyingMaterial?.isEmpty == false)
  }

  private static let certificates: [(key: String, role: DTLSRole)] = {
    let keys = ["secp224r1", "prime256v1", "secp384r1", "secp521r1", "secp256k1"].map { "ec:\($0)" }
    let brainpool = [256, 384, 512].map { "ec:brainpoolP\($0)r1" }
    let both = keys + brainpool + ["rsa:2048", "rsa:4096"]
    // OpenSSL's own server finds no cipher for these in DTLS, with its own client either.
    let clients = ["ed25519", "ed448"]
    return (both + clients).map { ($0, .server) } + both.map { ($0, .client) }
  }()

  /// What a certificate is made of is its owner's business. OpenSSL wants its curve among those that either side lists
  /// (RFC 8422 section 5.1).
  @Test(arguments: certificates) func anyCertificate(key: String, role: DTLSRole) throws {
    // Ours is of P-256.
    let groups = Set(["X25519", "prime256v1"] + (key.hasPrefix("ec:") ? [String(key.dropFirst(3))] : []))
    let run = try Run(
      role, useSRTP: Self.profiles[0].name, exporting: .aeadAES128GCM, key: key,
      extra: ["-groups", groups.sorted().joined(separator: ":")])
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.profile == .aeadAES128GCM && run.ended == nil, "\(String(describing: run.ended))")
  }

  /// Clients with post-quantum key shares need two datagrams for a ClientHello; here a long ALPN list does.
  @Test func aClientHelloInSeveralFragments() throws {
    let protocols = (0..<40).map { "protocol-number-\($0)" }.joined(separator: ",")
    let run = try Run(
      .server, useSRTP: Self.profiles[0].name, exporting: .aeadAES128GCM, extra: ["-mtu", "400", "-alpn", protocols])
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.profile == .aeadAES128GCM)
    #expect(run.longestReceived <= 400)
  }

  @Test(arguments: [DTLSRole.client, .server], [nil, "SRTP_AES128_CM_SHA1_32"] as [String?])
  func withoutACommonProfileThereAreNoKeys(role: DTLSRole, theirs: String?) throws {
    let run = try Run(role, useSRTP: theirs, exporting: .aeadAES128GCM)
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.ended == .failed(.noProfile))
    #expect(run.profile == nil)
  }

  @Test func aClientWithoutACertificateFails() throws {
    let run = try Run(.server, useSRTP: Self.profiles[0].name, exporting: .aeadAES128GCM, withCertificate: false)
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.ended == .failed(.protocolError("peer did not return a certificate")))
    #expect(run.profile == nil)
  }

  @Test func aClientWithoutACommonCipherFails() throws {
    let run = try Run(
      .server, useSRTP: Self.profiles[0].name, exporting: .aeadAES128GCM, extra: ["-cipher", "ECDHE-ECDSA-AES128-SHA"])
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.ended == .failed(.protocolError("no shared cipher")))
  }

  @Test func aClientWithAnotherCertificateFails() throws {
    let run = try Run(
      .server, useSRTP: Self.profiles[0].name, exporting: .aeadAES128GCM, accepting: FingerprintTests.wrong)
    defer { run.tool.stop() }
    run.untilSettled()
    #expect(run.ended == .failed(.fingerprintMismatch))
    run.wait { !run.tool.isRunning }
    #expect(!run.tool.isRunning, "the alert ends s_client")
  }
}

/// One handshake of an association with the `openssl` program, in real time.
final class Run {
  let tool: OpenSSLTool
  let association: DTLSAssociation
  private let socket: LoopbackSocket
  private(set) var profile: SRTPProfile?
  private(set) var inbound: SRTPKeys?
  private(set) var outbound: SRTPKeys?
  private(set) var ended: DTLSAssociation.Output?
  private(set) var longestReceived = 0

  /// `role` is ours.
  init(
    _ role: DTLSRole, useSRTP: String?, exporting profile: SRTPProfile, withCertificate: Bool = true,
    accepting: String? = nil, key: String? = nil, extra: [String] = []
  ) throws {
    socket = try LoopbackSocket()
    let length = 2 * (profile.keyLength + profile.saltLength)
    var arguments = ["-dtls1_2", "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "\(length)"]
    if let useSRTP { arguments += ["-use_srtp", useSRTP] }
    if role == .server {
      tool = try OpenSSLTool(
        ["s_client", "-connect", "127.0.0.1:\(socket.port)"] + arguments + extra, withCertificate: withCertificate,
        key: key)
    } else {
      let port = try LoopbackSocket().port  // free a moment ago
      tool = try OpenSSLTool(
        ["s_server", "-accept", "127.0.0.1:\(port)", "-Verify", "1"] + arguments + extra, key: key)
      socket.connect(to: port)
    }
    association = try DTLSAssociation(
      certificate: DTLSCertificate.generate(), role: role,
      acceptedFingerprints: [("sha-256", accepting ?? tool.fingerprint)], now: Self.now)
    perform(association.start(now: Self.now))
  }

  static var now: Instant { Instant(nanoseconds: DispatchTime.now().uptimeNanoseconds) }

  /// Until keys and the program's own export are there, or it failed.
  func untilSettled() { wait { self.ended != nil || (self.profile != nil && self.tool.keyingMaterial != nil) } }

  /// Passes datagrams and timeouts on until `condition` holds.
  func wait(until condition: () -> Bool) {
    let deadline = Self.now.advanced(by: .milliseconds(UInt64(OpenSSLTool.patience * 1000)))
    while !condition(), Self.now < deadline {
      if let datagram = socket.receive(within: 10) {
        longestReceived = max(longestReceived, datagram.count)
        perform(association.received(datagram, now: Self.now))
      }
      perform(association.timeout(now: Self.now))
    }
  }

  func perform(_ outputs: [DTLSAssociation.Output]) {
    for output in outputs {
      switch output {
      case .send(let bytes): socket.send(bytes)
      case .connected(let profile, let inbound, let outbound):
        (self.profile, self.inbound, self.outbound) = (profile, inbound, outbound)
      case .failed, .closed: ended = output
      }
    }
  }

  /// In the order of RFC 5764 section 4.2.
  func material(client: SRTPKeys?, server: SRTPKeys?) -> [UInt8]? {
    guard let client, let server else { return nil }
    return client.masterKey + server.masterKey + client.masterSalt + server.masterSalt
  }
}
