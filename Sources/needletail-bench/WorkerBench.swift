import CSRTP
import Forwarding
import Glibc
import SRTP
import Wire

/// What one copy costs a worker: rewriting and sealing by `Forwarder`, against the same work done with libsrtp (copy the
/// packet, rewrite its header, `srtp_protect`), in turns within one run.
struct WorkerBench {
  /// Octets of RTP payload.
  var payloadLength = 1188
  var fanOuts = [1, 4, 16, 64, 256]
  /// Those that this machine has are measured.
  var providers: [CryptographyProvider] = [.ipsecMB, .openSSL]
  /// Turns of each side; the medians count.
  var rounds = 15
  /// Copies in one turn.
  var copiesPerRound = 16_000

  struct Row {
    var profile: String
    var provider: String
    var fanOut: Int
    /// Medians, in nanoseconds. `forwarder` includes its share of receiving (authenticate, decrypt, count).
    var nanosecondsPerCopy: Double
    var referenceNanosecondsPerCopy: Double
    var nanosecondsPerReceipt: Double

    /// How many times cheaper than libsrtp.
    var ratio: Double { referenceNanosecondsPerCopy / nanosecondsPerCopy }
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  func printTable() throws {
    print(Self.table(try run()))
    for provider in providers where !Self.isAvailable(provider) {
      print("left out: this machine cannot run \(provider.rawValue)")
    }
  }

  private static func isAvailable(_ provider: CryptographyProvider) -> Bool {
    Forwarder(cryptography: provider).cryptography == provider
  }

  /// Runs everything: profiles × providers × fan-outs.
  private func run() throws -> [Row] {
    var rows: [Row] = []
    let providers = providers.filter(Self.isAvailable)
    for profile in [SRTPProfile.aeadAES128GCM, .aes128CMHMACSHA180, .aeadAES256GCM] {
      for provider in providers {
        for fanOut in fanOuts { rows.append(try measure(profile, provider, fanOut)) }
      }
    }
    return rows
  }

  static func table(_ rows: [Row]) -> String {
    var lines = ["profile              provider  fan-out  ns/copy  libsrtp ns/copy  ratio  ns/receipt"]
    for row in rows {
      lines.append(
        column(row.profile, 21, left: true) + column(row.provider, 8, left: true) + column("\(row.fanOut)", 9)
          + column(decimal(row.nanosecondsPerCopy, 0), 9) + column(decimal(row.referenceNanosecondsPerCopy, 0), 17)
          + column(decimal(row.ratio, 1), 7) + column(decimal(row.nanosecondsPerReceipt, 0), 12))
    }
    return lines.joined(separator: "\n")
  }

  private static func column(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + space : space + text
  }

  private static func decimal(_ value: Double, _ places: Int) -> String {
    guard places > 0 else { return "\(Int(value.rounded()))" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  // MARK: One row

  private func measure(_ profile: SRTPProfile, _ provider: CryptographyProvider, _ fanOut: Int) throws -> Row {
    let publisher = try SRTPReference(keys: Self.randomKeys(profile))
    let receivers = try (0..<fanOut).map { _ in try SRTPReference(keys: Self.randomKeys(profile)) }
    var worker = WorkerUnderTest(provider, publisher: publisher.keys, receivers: receivers.map(\.keys))
    let packetCount = max(1, copiesPerRound / fanOut)
    var sequence: UInt16 = 0
    var ours: [Double] = []
    var receipts: [Double] = []
    var theirs: [Double] = []
    for round in 0...rounds {
      let plain = (0..<packetCount).map {
        Self.packet(sequence: sequence &+ UInt16(truncatingIfNeeded: $0), payloadLength)
      }
      let sealed = try plain.map { try publisher.protect($0) }
      let (copying, receiving) = try worker.run(sealed)
      let reference = try Self.runReference(plain, receivers)
      sequence &+= UInt16(truncatingIfNeeded: packetCount)
      // The first turn warms caches and clocks up.
      guard round > 0 else { continue }
      ours.append(copying / Double(packetCount * fanOut))
      receipts.append(receiving / Double(packetCount))
      theirs.append(reference / Double(packetCount * fanOut))
    }
    return Row(
      profile: "\(profile)", provider: provider.rawValue, fanOut: fanOut, nanosecondsPerCopy: Self.median(ours),
      referenceNanosecondsPerCopy: Self.median(theirs), nanosecondsPerReceipt: Self.median(receipts))
  }

  /// Nanoseconds that libsrtp needs to send every packet to every receiver.
  private static func runReference(_ packets: [[UInt8]], _ receivers: [SRTPReference]) throws -> Double {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64)
    defer { memory.deallocate() }
    let start = clock()
    for packet in packets {
      for (number, receiver) in receivers.enumerated() {
        packet.withUnsafeBytes { if let base = $0.baseAddress { memory.copyMemory(from: base, byteCount: $0.count) } }
        memory.storeBytes(of: 120, toByteOffset: 1, as: UInt8.self)
        memory.storeBytes(of: UInt32(0xb000 + number).bigEndian, toByteOffset: 8, as: UInt32.self)
        var length = CInt(packet.count)
        guard srtp_protect(receiver.session, memory, &length) == srtp_err_status_ok else {
          throw Failure(description: "libsrtp refuses to protect")
        }
      }
    }
    return clock() - start
  }

  /// A video packet with the header extensions that browsers send: MID, transport-wide sequence number, send time.
  static func packet(sequence: UInt16, _ payloadLength: Int) -> [UInt8] {
    var packet: [UInt8] = [0x90, 96, UInt8(sequence >> 8), UInt8(sequence & 0xff), 0, 0, 0, 1, 0, 0, 0xaa, 0xaa]
    packet += [0xbe, 0xde, 0, 3, 0x10, 0x30, 0x22, 1, 2, 3, 0x31, 4, 5, 0, 0, 0]
    return packet + [UInt8](repeating: 0x5a, count: payloadLength)
  }

  static func randomKeys(_ profile: SRTPProfile) throws -> SRTPKeys {
    func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: 0...255) } }
    guard
      let keys = SRTPKeys(
        profile: profile, masterKey: random(profile.keyLength), masterSalt: random(profile.saltLength))
    else { throw Failure(description: "no keys for \(profile)") }
    return keys
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
  }

  static func clock() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}

/// One libsrtp session that protects.
final class SRTPReference {
  let keys: SRTPKeys
  let session: srtp_t

  init(keys: SRTPKeys) throws {
    guard LibSRTP.isReady else { throw WorkerBench.Failure(description: "libsrtp does not start") }
    self.keys = keys
    var policy = srtp_policy_t()
    Self.setCrypto(&policy.rtp, keys.profile)
    Self.setCrypto(&policy.rtcp, keys.profile)
    policy.ssrc.type = ssrc_any_outbound
    policy.window_size = 1024
    var material = keys.masterKey + keys.masterSalt
    var created: srtp_t?
    let status = material.withUnsafeMutableBufferPointer { buffer in
      policy.key = buffer.baseAddress
      return srtp_create(&created, &policy)
    }
    guard status == srtp_err_status_ok, let created else {
      throw WorkerBench.Failure(description: "libsrtp: status \(status.rawValue)")
    }
    session = created
  }

  deinit { srtp_dealloc(session) }

  func protect(_ packet: [UInt8]) throws -> [UInt8] {
    var bytes = packet + [UInt8](repeating: 0, count: 160)
    var length = CInt(packet.count)
    let status = bytes.withUnsafeMutableBytes { srtp_protect(session, $0.baseAddress, &length) }
    guard status == srtp_err_status_ok else { throw WorkerBench.Failure(description: "libsrtp refuses to protect") }
    return Array(bytes.prefix(Int(length)))
  }

  private static func setCrypto(_ policy: inout srtp_crypto_policy_t, _ profile: SRTPProfile) {
    switch profile {
    case .aes128CMHMACSHA180: srtp_crypto_policy_set_rtp_default(&policy)
    case .aeadAES128GCM: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy)
    case .aeadAES256GCM: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy)
    }
  }
}
