/// What a datagram on the one media port is, by its first byte (RFC 7983 section 7) and for RTP and RTCP by its second
/// (RFC 5761 section 4).
@frozen public enum DatagramKind: Hashable, Sendable {
  case stun
  case dtls
  case turnChannel
  case rtp
  case rtcp
  case unknown

  @inlinable
  public init(firstByte: UInt8, secondByte: UInt8) {
    switch firstByte {
    case 0...3: self = .stun
    case 20...63: self = .dtls
    case 64...79: self = .turnChannel
    case 128...191: self = isRTCP(secondByte: secondByte) ? .rtcp : .rtp
    default: self = .unknown
    }
  }

  /// Of a whole datagram. One byte alone is unknown.
  @inlinable
  public init(_ datagram: [UInt8]) {
    guard datagram.count >= 2 else {
      self = .unknown
      return
    }
    self.init(firstByte: datagram[0], secondByte: datagram[1])
  }
}

/// Whether a packet of version 2 is RTCP: its second byte without the top bit is 64 to 95, the payload types that RTP
/// leaves free where both share a port (RFC 5761 section 4).
@inlinable
public func isRTCP(secondByte: UInt8) -> Bool { (64...95).contains(secondByte & 0x7f) }
