import Forwarding
import Wire

/// What somebody who traces a source asks for.
public struct TraceRequest: Hashable, Sendable {
  /// The source's number, as `Report` has it.
  public var source: UInt32
  /// One packet in so many, 1 or more.
  public var every: UInt32
  /// `next` of the answer before; nil: from now on.
  public var after: UInt64?

  public init(source: UInt32, every: UInt32 = 1, after: UInt64? = nil) {
    self.source = source
    self.every = every
    self.after = after
  }
}

public enum TraceOutcome: Sendable {
  case traced(TraceReport)
  case notFound(String)
  /// Why no program sees the source's packets, and what to do.
  case refused(String)
}

public struct TraceReport: Sendable {
  public var source: UInt32
  /// What to ask for next.
  public var next: UInt64
  /// Packets that were to be told of since the trace began, and could not: too many in too short a time.
  public var missed: UInt64
  /// Packets that were dropped here because this request came too late for them.
  public var overrun: UInt64
  public var packets: [TracedPacket]
  /// Where the copies go, by sink.
  public var sinks: [SinkID: TracedSink]
  /// The time of the answer, on the packets' clock.
  public var at: Instant

  public init(
    source: UInt32, next: UInt64, missed: UInt64, overrun: UInt64, packets: [TracedPacket],
    sinks: [SinkID: TracedSink], at: Instant
  ) {
    self.source = source
    self.next = next
    self.missed = missed
    self.overrun = overrun
    self.packets = packets
    self.sinks = sinks
    self.at = at
  }
}

public struct TracedSink: Hashable, Sendable {
  public var remote: String
  /// Of the participant.
  public var name: String
  public var ssrc: UInt32

  public init(remote: String, name: String, ssrc: UInt32) {
    self.remote = remote
    self.name = name
    self.ssrc = ssrc
  }
}
