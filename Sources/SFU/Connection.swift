import Peer
import RTP
import Wire

/// What carries a session: WebRTC, or clear RTP. All that the SFU asks of either.
enum Connection {
  case webRTC(Peer)
  case clear(ClearConnection)

  /// nil for clear RTP, which negotiates nothing.
  var webRTC: Peer? { if case .webRTC(let peer) = self { peer } else { nil } }

  var isClear: Bool { if case .clear = self { true } else { false } }

  /// Where media flows; nil while that is not known.
  var selected: FiveTuple? {
    switch self {
    case .webRTC(let peer): peer.selected
    case .clear(let clear): clear.media
    }
  }

  /// Where its datagrams come from for as long as it lives. Those of WebRTC follow ICE.
  var fixedTuples: [FiveTuple] {
    switch self {
    case .webRTC: []
    case .clear(let clear): clear.tuples
    }
  }

  /// "new", "checking", "connecting", "connected" or "closed". There is nothing in clear RTP to wait for.
  var state: String {
    switch self {
    case .webRTC(let peer): "\(peer.state)"
    case .clear: "\(PeerState.connected)"
    }
  }

  /// Whether nobody else may come from its address. A WebRTC peer that is no longer heard there may have left it, and the
  /// next client of its NAT have got it; the address of clear RTP is the operator's word.
  func holdsAddress(now: Instant) -> Bool {
    switch self {
    case .webRTC(let peer): !peer.isSilent(now: now)
    case .clear: true
    }
  }

  /// Whether one of its ICE checks was good on `tuple` lately.
  func hasValidated(_ tuple: FiveTuple) -> Bool { webRTC?.hasValidated(tuple) ?? false }

  func received(_ datagram: [UInt8], on tuple: FiveTuple, now: Instant) -> [PeerOutput] {
    switch self {
    case .webRTC(let peer): peer.received(datagram, on: tuple, now: now)
    case .clear(let clear): clear.received(datagram, now: now)
    }
  }

  func tick(now: Instant, judges: Bool) -> [PeerOutput] {
    switch self {
    case .webRTC(let peer): peer.tick(now: now, judges: judges)
    case .clear: []
    }
  }

  /// nil as long as nothing can be sent.
  func send(rtcp packets: [RTCPPacket]) -> PeerOutput? {
    switch self {
    case .webRTC(let peer): peer.send(rtcp: packets)
    case .clear(let clear): clear.send(rtcp: packets)
    }
  }

  func close() -> [PeerOutput] {
    switch self {
    case .webRTC(let peer): peer.close()
    case .clear: []
    }
  }
}
