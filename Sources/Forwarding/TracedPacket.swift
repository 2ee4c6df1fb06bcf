import Wire

/// One packet of a traced source: as it came, and what a program in the kernel did with it.
public struct TracedPacket: Hashable, Sendable {
  public enum Program: String, Hashable, Sendable { case xdp, tc }

  public var at = Instant.zero
  /// Its place among the source's packets since the trace began, those not told of included.
  public var number: UInt32 = 0
  /// The interface by which it came.
  public var interface = ""
  public var program = Program.xdp
  /// The name of the way out, as the program's counters have it without "xdp_" or "tc_".
  public var verdict = ""
  public var tuple: FiveTuple
  public var ssrc: UInt32 = 0
  public var sequence: UInt16 = 0
  public var timestamp: UInt32 = 0
  public var payloadType: UInt8 = 0
  public var marker = false
  /// Of RTP, in octets.
  public var length = 0
  /// How many copies it leads to: those that the kernel made, or those that the worker makes unless it refuses the packet.
  public var sinkCount = 0
  /// The first of them.
  public var sinks: [SinkID] = []

  public static let maximumSinks = 16

  public init(tuple: FiveTuple) { self.tuple = tuple }
}

/// What there is to tell of one traced source.
public struct TraceNews: Hashable, Sendable {
  public var source: SourceID
  public var packets: [TracedPacket] = []
  /// Packets that the trace was to tell of since it began, but could not: too many in too short a time.
  public var missed: UInt64 = 0
  /// Why it cannot be traced, for people; nil if it is.
  public var refusal: String?

  public init(source: SourceID) { self.source = source }
}
