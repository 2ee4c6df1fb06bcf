import Peer
import RTP
import Wire

/// Plain RTP and RTCP with one address. Nothing authenticates it but where its packets come from, so it is for trusted
/// networks.
struct ClearConnection {
  let media: FiveTuple
  /// Equal to `media` where RTCP shares the address (RFC 5761).
  let control: FiveTuple

  var tuples: [FiveTuple] { control == media ? [media] : [media, control] }

  /// A datagram from one of its addresses that is no RTP. Only RTCP means something.
  func received(_ datagram: [UInt8], now: Instant) -> [PeerOutput] {
    guard DatagramKind(datagram) == .rtcp else { return [.dropped(reason: "clear-not-rtcp")] }
    return .rtcp(in: datagram, receivedAt: now)
  }

  /// As a compound packet, which outside WebRTC must begin with a report and name its sender (RFC 3550 section 6.1).
  func send(rtcp packets: [RTCPPacket]) -> PeerOutput? {
    guard let first = packets.first else { return nil }
    switch first {
    case .senderReport, .receiverReport: return .send(RTCPPacket.encode(packets), control)
    default:
      let report = RTCPPacket.receiverReport(ReceiverReport(ssrc: SFU.localSSRC, blocks: []))
      let name = RTCPPacket.sdes(SDES(ssrc: SFU.localSSRC, cname: SFU.localCNAME))
      return .send(RTCPPacket.encode([report, name] + packets), control)
    }
  }
}
