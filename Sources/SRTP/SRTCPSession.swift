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
  /// Authenticated but sent in clear (E flag 0), which no profile of ours does.
  case notEncrypted
}

/// OpenSSL could not be set up for SRTCP.
public struct SRTCPSetupError: Error, Hashable, Sendable {}

/// SRTCP (RFC 3711 section 3.4, RFC 7714 section 9) for both directions of one transport, whatever SSRCs it carries. Confined
/// to one owner.
///
/// All that is sent shares one index, so that an SSRC of ours, of which a receiver may get thousands in its life, leaves
/// nothing behind: no two packets have the same index, so none have the same SSRC and index.
public final class SRTCPSession {
  private let inbound: SRTCPTransform
  private let outbound: SRTCPTransform
  /// Of the packet sent last. RFC 3711 lets it begin anywhere; libsrtp begins with 1.
  private var lastIndex: UInt32 = 0

  /// How many senders are known by their SSRC. None can be forgotten: its old packets would pass as new.
  public static let maximumSenders = 512
  private var senders: [UInt32: SRTCPReplayWindow] = [:]

  private static let largestDatagram = 65_535

  public init(inbound inboundKeys: SRTPKeys, outbound outboundKeys: SRTPKeys) throws(SRTCPSetupError) {
    guard let inbound = SRTCPTransform(inboundKeys, .opening), let outbound = SRTCPTransform(outboundKeys, .sealing)
    else { throw SRTCPSetupError() }
    self.inbound = inbound
    self.outbound = outbound
  }

  /// Encrypts and authenticates a compound RTCP packet; nil if it is too short or too long to be one, or when the keys have
  /// been used for 2^31 packets.
  public func protect(_ rtcp: [UInt8]) -> [UInt8]? {
    guard rtcp.count >= 8, rtcp.count <= Self.largestDatagram - SRTCPTransform.largestOverhead,
      lastIndex < SRTCPTransform.largestIndex
    else { return nil }
    lastIndex += 1
    return outbound.protect(rtcp, index: lastIndex)
  }

  /// The RTCP inside an SRTCP packet, if it is genuine and new.
  public func unprotect(_ srtcp: [UInt8]) -> Result<[UInt8], SRTCPError> {
    guard srtcp.count <= Self.largestDatagram, let header = inbound.header(of: srtcp) else {
      return .failure(.malformed)
    }
    guard let window = senders[header.ssrc] ?? (senders.count < Self.maximumSenders ? SRTCPReplayWindow() : nil) else {
      return .failure(.tooManySSRCs)
    }
    guard window.accepts(header.index) else { return .failure(.replayed) }
    guard let rtcp = inbound.open(srtcp, header) else { return .failure(.authenticationFailed) }
    senders[header.ssrc, default: window].record(header.index)
    return header.isEncrypted ? .success(rtcp) : .failure(.notEncrypted)
  }
}

/// Which indices of one sender were received: the highest, and those below it as far as the window reaches (RFC 3711
/// section 3.3.2 wants 64 at least).
struct SRTCPReplayWindow {
  private var highest: UInt32 = 0
  /// Bit n: whether `highest - n` was received.
  private var received: UInt128 = 0

  func accepts(_ index: UInt32) -> Bool {
    guard received != 0, index <= highest else { return true }
    let age = highest - index
    return age < 128 && received >> age & 1 == 0
  }

  /// `index` was accepted, and its packet is genuine.
  mutating func record(_ index: UInt32) {
    if received == 0 || index > highest {
      let step = received == 0 ? 128 : index - highest
      received = step < 128 ? received << step | 1 : 1
      highest = index
    } else {
      received |= 1 << (highest - index)
    }
  }
}
