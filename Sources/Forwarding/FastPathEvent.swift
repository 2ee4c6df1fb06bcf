import Wire

/// Everything the fast path tells the control plane.
public enum FastPathEvent: Sendable {
  /// A datagram that is not RTP (STUN, DTLS, RTCP by RFC 7983 and RFC 5761), or RTP from an unknown 5-tuple is never here.
  case datagram(bytes: [UInt8], tuple: FiveTuple, receivedAt: Instant)
  /// An authenticated packet of a known transport whose SSRC has no source. Repeated at most every 100 ms per SSRC.
  case unknownSource(TransportID, UnknownSource)
  /// Packets that only the source's sender can send again: sequence numbers as it numbered them.
  case missing(SourceID, [UInt16])
  /// Some receiver cannot go on without a key frame.
  case keyFrameNeeded(SourceID)
  /// Transport-wide sequence numbers that arrived on a publisher's transport, in order of arrival
  /// (draft-holmer-rmcat-transport-wide-cc-extensions-01). Flushed every 50 ms while there are any.
  case arrivals(TransportID, [TransportWideArrival])
  /// Counters of every source and sink, once a second.
  case statistics(FastPathStatistics)
  /// What a capture recorded: once for each `collect`, and when it ends.
  case captured(CaptureID, CapturedPackets)
  /// Packets of traced sources, several times a second while there are any.
  case traced([TraceNews])
}

public struct UnknownSource: Hashable, Sendable {
  public var ssrc: UInt32
  public var payloadType: UInt8
  public var mid: String?
  public var rid: String?
  public var repairedRID: String?

  public init(ssrc: UInt32, payloadType: UInt8, mid: String? = nil, rid: String? = nil, repairedRID: String? = nil) {
    self.ssrc = ssrc
    self.payloadType = payloadType
    self.mid = mid
    self.rid = rid
    self.repairedRID = repairedRID
  }
}

public struct TransportWideArrival: Hashable, Sendable {
  public var sequence: UInt16
  public var at: Instant

  public init(sequence: UInt16, at: Instant) {
    self.sequence = sequence
    self.at = at
  }
}
