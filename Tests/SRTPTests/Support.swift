import CSRTP
import SRTP

/// Bytes of hexadecimal text; spaces and line breaks are for the reader.
func hex(_ text: String) -> [UInt8] {
  let digits = text.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Numbers that are the same in every run.
struct FixedRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

  mutating func keys(_ profile: SRTPProfile) throws -> SRTPKeys {
    let masterKey = bytes(profile.keyLength)
    guard let keys = SRTPKeys(profile: profile, masterKey: masterKey, masterSalt: bytes(profile.saltLength)) else {
      throw TestFailure()
    }
    return keys
  }
}

struct TestFailure: Error {}

/// An RTP packet with header extension every third sequence number.
func rtpPacket(sequence: UInt16, ssrc: UInt32, payload: [UInt8]) -> (packet: [UInt8], headerLength: Int) {
  let hasExtension = sequence % 3 == 0
  var packet: [UInt8] = [hasExtension ? 0x90 : 0x80, 96, UInt8(sequence >> 8), UInt8(sequence & 0xff), 0, 0, 0, 7]
  packet += (0..<4).map { UInt8(truncatingIfNeeded: ssrc >> (24 - 8 * $0)) }
  if hasExtension { packet += [0xbe, 0xde, 0, 1, 0x11, 0xaa, 0xbb, 0] }
  return (packet + payload, packet.count)
}

/// libsrtp, the reference.
final class Oracle {
  private let session: srtp_t
  /// Runs srtp_init, which must happen exactly once in a process.
  private static let isLibSRTPReady = srtp_init() == srtp_err_status_ok

  init(_ keys: SRTPKeys, inbound: Bool) throws {
    guard Self.isLibSRTPReady else { throw TestFailure() }
    var policy = srtp_policy_t()
    for path in [\srtp_policy_t.rtp, \srtp_policy_t.rtcp] {
      switch keys.profile {
      case .aes128CMHMACSHA180: srtp_crypto_policy_set_rtp_default(&policy[keyPath: path])
      case .aeadAES128GCM: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy[keyPath: path])
      case .aeadAES256GCM: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy[keyPath: path])
      }
    }
    policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound
    policy.window_size = 1024
    policy.allow_repeat_tx = 1
    var material = keys.masterKey + keys.masterSalt
    var created: srtp_t?
    let status = material.withUnsafeMutableBufferPointer { buffer in
      policy.key = buffer.baseAddress
      return srtp_create(&created, &policy)
    }
    guard status == srtp_err_status_ok, let created else { throw TestFailure() }
    session = created
  }

  deinit { srtp_dealloc(session) }

  func protect(_ rtp: [UInt8]) -> [UInt8]? { run(rtp, srtp_protect) }
  func unprotect(_ srtp: [UInt8]) -> [UInt8]? { run(srtp, srtp_unprotect) }
  func protectRTCP(_ rtcp: [UInt8]) -> [UInt8]? { run(rtcp, srtp_protect_rtcp) }
  func unprotectRTCP(_ srtcp: [UInt8]) -> [UInt8]? { run(srtcp, srtp_unprotect_rtcp) }

  private func run(
    _ packet: [UInt8],
    _ operation: (srtp_t?, UnsafeMutableRawPointer?, UnsafeMutablePointer<CInt>?) -> srtp_err_status_t
  ) -> [UInt8]? {
    var bytes = packet + [UInt8](repeating: 0, count: 160)
    var length = CInt(packet.count)
    let status = bytes.withUnsafeMutableBytes { operation(session, $0.baseAddress, &length) }
    return status == srtp_err_status_ok ? Array(bytes.prefix(Int(length))) : nil
  }
}

/// Seals packets of one key with an engine of its own.
struct TestSealer: ~Copyable {
  var engine: CryptographyEngine
  let sealer: RTPSealer

  init(_ keys: SRTPSessionKeys, _ provider: CryptographyProvider) throws {
    engine = CryptographyEngine(provider)
    guard let sealer = RTPSealer(keys, engine: engine) else { throw TestFailure() }
    self.sealer = sealer
  }

  init(_ keys: SRTPKeys, _ provider: CryptographyProvider) throws {
    guard let session = SRTPSessionKeys(deriving: keys) else { throw TestFailure() }
    try self.init(session, provider)
  }

  mutating func seal(_ rtp: [UInt8], headerLength: Int, ssrc: UInt32, index: UInt64) -> [UInt8] {
    var packet = Array(rtp.prefix(headerLength)) + [UInt8](repeating: 0xee, count: rtp.count - headerLength + 16)
    let count = rtp.withUnsafeBytes { source in
      packet.withUnsafeMutableBytes { target in
        sealer.seal(
          target.baseAddress!, headerLength: headerLength, payload: source.baseAddress! + headerLength,
          payloadLength: rtp.count - headerLength, ssrc: ssrc, index: index, engine: &engine)
      }
    }
    engine.flush()
    return Array(packet.prefix(count))
  }
}

/// Opens packets of one key with an engine of its own.
struct TestOpener: ~Copyable {
  var engine: CryptographyEngine
  let opener: RTPOpener

  init(_ keys: SRTPSessionKeys, _ provider: CryptographyProvider) throws {
    engine = CryptographyEngine(provider)
    guard let opener = RTPOpener(keys, engine: engine) else { throw TestFailure() }
    self.opener = opener
  }

  init(_ keys: SRTPKeys, _ provider: CryptographyProvider) throws {
    guard let session = SRTPSessionKeys(deriving: keys) else { throw TestFailure() }
    try self.init(session, provider)
  }

  mutating func open(_ srtp: [UInt8], headerLength: Int, ssrc: UInt32, index: UInt64) -> [UInt8]? {
    var packet = srtp
    let count = packet.withUnsafeMutableBytes {
      opener.open(
        $0.baseAddress!, headerLength: headerLength, length: $0.count, ssrc: ssrc, index: index, engine: &engine)
    }
    return count > 0 ? Array(packet.prefix(count)) : nil
  }
}

let providers: [CryptographyProvider] = [.ipsecMB, .openSSL]
