import CSRTP

/// Why an SRTCP packet was refused.
public enum SRTCPError: Error, Hashable, Sendable {
  /// The tag is wrong: corrupted, forged, or protected with other keys.
  case authenticationFailed
  /// Seen before, or older than the replay window.
  case replayed
  /// Too short to be SRTCP, or longer than a datagram.
  case malformed
  /// Of a sender not heard before, while `SRTCPSession.maximumSenders` others were.
  case tooManySSRCs
  /// libsrtp reports something else, by its status number.
  case failed(UInt32)
}

/// libsrtp could not be set up.
public struct SRTCPSetupError: Error, Hashable, Sendable {
  /// libsrtp's status number.
  public var status: UInt32
}

/// SRTCP (RFC 3711 section 3.4, RFC 7714 section 9) for both directions of one transport, whatever SSRCs it carries. RTCP
/// is rare, so libsrtp does it. Confined to one owner.
public final class SRTCPSession {
  private let inbound: srtp_t
  private let outbound: srtp_t

  /// How many senders are known by their SSRC. libsrtp keeps something for each as long as the session lives, and looks
  /// through them one by one for each packet. None can be forgotten: its old packets would pass as new.
  public static let maximumSenders = 512
  private var senders: Set<UInt32> = []

  /// Room that libsrtp wants behind the packet: its largest tag, its largest MKI, and the SRTCP index.
  private static let overhead = 16 + 128 + 4
  private static let largestDatagram = 65_535

  /// Runs srtp_init, which must happen exactly once in a process and before any other use of libsrtp.
  public static let isLibSRTPReady: Bool = srtp_init() == srtp_err_status_ok

  public init(inbound inboundKeys: SRTPKeys, outbound outboundKeys: SRTPKeys) throws(SRTCPSetupError) {
    guard Self.isLibSRTPReady else { throw SRTCPSetupError(status: srtp_err_status_init_fail.rawValue) }
    inbound = try Self.makeSession(inboundKeys, ssrc: ssrc_any_inbound)
    do {
      outbound = try Self.makeSession(outboundKeys, ssrc: ssrc_any_outbound)
    } catch {
      srtp_dealloc(inbound)
      throw error
    }
  }

  deinit {
    srtp_dealloc(inbound)
    srtp_dealloc(outbound)
  }

  /// Encrypts and authenticates a compound RTCP packet; nil if it is too short or too long to be one.
  public func protect(_ rtcp: [UInt8]) -> [UInt8]? {
    guard rtcp.count >= 8, rtcp.count <= Self.largestDatagram - Self.overhead else { return nil }
    var packet = rtcp + [UInt8](repeating: 0, count: Self.overhead)
    var length = CInt(rtcp.count)
    let status = packet.withUnsafeMutableBytes { srtp_protect_rtcp(outbound, $0.baseAddress, &length) }
    guard status == srtp_err_status_ok, length >= 0, Int(length) <= packet.count else { return nil }
    packet.removeLast(packet.count - Int(length))
    return packet
  }

  /// The RTCP inside an SRTCP packet, if it is genuine and new.
  public func unprotect(_ srtcp: [UInt8]) -> Result<[UInt8], SRTCPError> {
    guard srtcp.count >= 12, srtcp.count <= Self.largestDatagram else { return .failure(.malformed) }
    let sender = srtcp[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
    guard senders.count < Self.maximumSenders || senders.contains(sender) else { return .failure(.tooManySSRCs) }
    var packet = srtcp
    var length = CInt(srtcp.count)
    let status = packet.withUnsafeMutableBytes { srtp_unprotect_rtcp(inbound, $0.baseAddress, &length) }
    switch status {
    case srtp_err_status_ok where length >= 0 && Int(length) <= packet.count:
      packet.removeLast(packet.count - Int(length))
      senders.insert(sender)
      return .success(packet)
    case srtp_err_status_auth_fail: return .failure(.authenticationFailed)
    case srtp_err_status_replay_fail, srtp_err_status_replay_old: return .failure(.replayed)
    case srtp_err_status_bad_param, srtp_err_status_parse_err: return .failure(.malformed)
    default: return .failure(.failed(status.rawValue))
    }
  }

  private static func makeSession(_ keys: SRTPKeys, ssrc: srtp_ssrc_type_t) throws(SRTCPSetupError) -> srtp_t {
    var policy = srtp_policy_t()
    setCrypto(&policy.rtp, keys.profile)
    setCrypto(&policy.rtcp, keys.profile)
    policy.ssrc.type = ssrc
    policy.window_size = 1024
    var material = keys.masterKey + keys.masterSalt
    var session: srtp_t?
    let status = material.withUnsafeMutableBufferPointer { buffer in
      policy.key = buffer.baseAddress
      return srtp_create(&session, &policy)
    }
    guard status == srtp_err_status_ok, let session else { throw SRTCPSetupError(status: status.rawValue) }
    return session
  }

  private static func setCrypto(_ policy: inout srtp_crypto_policy_t, _ profile: SRTPProfile) {
    switch profile {
    case .aes128CMHMACSHA180: srtp_crypto_policy_set_rtp_default(&policy)
    case .aeadAES128GCM: srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy)
    case .aeadAES256GCM: srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy)
    }
  }
}
