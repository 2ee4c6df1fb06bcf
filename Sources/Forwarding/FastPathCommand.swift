import Wire

/// Everything the control plane can ask of the fast path. Values only, so that the fast path could be another process.
/// A command that names something unknown is counted and ignored: the other side may just have removed it.
public enum FastPathCommand: Sendable {
  /// How datagrams of a peer are known that come from elsewhere than its transport, before it has one too. Empty: the peer is
  /// gone.
  case expect(TransportID, Expectation)
  case addTransport(Transport)
  /// The peer roamed: from now on the transport's media comes from and goes to `tuple`.
  case moveTransport(TransportID, FiveTuple)
  /// A later offer named other header extensions.
  case readExtensions(TransportID, ReadExtensions)
  /// Removes the transport with every source and sink on it.
  case removeTransport(TransportID)
  case addSource(Source)
  case removeSource(SourceID)
  case addSink(Sink)
  case pauseSink(SinkID, Bool)
  case removeSink(SinkID)
  /// A subscriber misses packets: sequence numbers as that sink numbered them.
  case retransmit(SinkID, [UInt16])
  /// Records packets that arrive and leave, for an operator to look at.
  case capture(CaptureID, CaptureCommand)
  /// Tell of one packet in `every` of a source as the kernel's programs see them; 0: of none any more.
  case trace(SourceID, every: UInt32)
}
