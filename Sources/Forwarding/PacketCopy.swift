import Wire

/// One copy of a packet for one sink: where it is to be written, and what was written there.
public struct PacketCopy {
  /// In: where to write the RTP packet.
  public var packet: UnsafeMutableRawPointer
  /// In: octets that fit there.
  public var capacity: Int
  /// Out: octets of the RTP or SRTP packet.
  public var length: Int
  /// Out: RTP payload octets among them, neither header, padding nor tag.
  public var payloadOctets: Int
  /// Out: the receiver's transport, as `Forwarder.index(of:)` numbers it.
  public var transport: Int
  /// Out: the sink, for `Forwarder.account`.
  public var sink: Int
  /// Out: of a retransmission, when it was asked for; nil: a copy of media.
  public var askedAt: Instant?

  public init(packet: UnsafeMutableRawPointer, capacity: Int) {
    self.packet = packet
    self.capacity = capacity
    length = 0
    payloadOctets = 0
    transport = 0
    sink = 0
    askedAt = nil
  }
}
