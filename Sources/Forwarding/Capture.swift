import Wire

/// Names a capture. The control plane chooses it and never uses one twice.
public struct CaptureID: Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

/// What the control plane can ask of a capture: a record of the packets that arrive on some transports and leave on them.
/// It says only which transports; whose they are is not known here.
public enum CaptureCommand: Hashable, Sendable {
  /// A capture of nothing yet. RTP is recorded as it is on the wire, or, if `isDecrypted`, in clear. What would make the
  /// record larger than `capacity` octets is dropped and counted.
  case begin(isDecrypted: Bool, capacity: Int)
  /// From now on this transport too, until it is removed. The kernel does not forward past the worker what is captured.
  case include(TransportID)
  /// The fast path answers once with `FastPathEvent.captured`: everything recorded since the last time.
  case collect
  /// Records nothing more; what there is comes as the last `FastPathEvent.captured`.
  case end
}

/// A packet as it arrived or left.
public struct CapturedPacket: Hashable, Sendable {
  public enum Direction: Hashable, Sendable { case arrived, left }

  public var at: Instant
  public var direction: Direction
  public var transport: TransportID
  public var tuple: FiveTuple
  /// Of a copy, the source that it was copied from. nil: the SSRC has no source.
  public var source: SourceID?
  /// nil if the packet arrived.
  public var sink: SinkID?
  public var lane: Lane
  /// Whether the packet was taken: well-formed, authentic and not seen before.
  public var isGenuine: Bool
  /// Where the UDP payload is in the record's octets.
  public var range: Range<Int>

  public init(
    at: Instant, direction: Direction, transport: TransportID, tuple: FiveTuple, source: SourceID?, sink: SinkID? = nil,
    lane: Lane, isGenuine: Bool = true, range: Range<Int> = 0..<0
  ) {
    self.at = at
    self.direction = direction
    self.transport = transport
    self.tuple = tuple
    self.source = source
    self.sink = sink
    self.lane = lane
    self.isGenuine = isGenuine
    self.range = range
  }
}

/// What a capture recorded.
public struct CapturedPackets: Hashable, Sendable {
  /// In the order in which the worker came to them. Packets that it found waiting together arrived at the same time, which
  /// may be before that of the copies it sent in between.
  public var packets: [CapturedPacket] = []
  public var bytes: [UInt8] = []
  /// Packets that there was no room for since the last time.
  public var droppedArrived: UInt64 = 0
  public var droppedLeft: UInt64 = 0
  /// Every packet until this moment is here or was in an earlier record.
  public var until = Instant.zero
  /// Whether the capture is over.
  public var isLast = false

  public init() {}

  /// The packet's UDP payload; empty if its range is none of ours.
  public func payload(of packet: CapturedPacket) -> [UInt8] {
    guard packet.range.lowerBound >= 0, packet.range.upperBound <= bytes.count else { return [] }
    return Array(bytes[packet.range])
  }
}
