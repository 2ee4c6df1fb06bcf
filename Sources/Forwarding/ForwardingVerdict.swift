/// Every way in which a packet, a copy, a command or an event leaves the forwarder. Each has a counter under this name.
public enum ForwardingVerdict: String, Hashable, Sendable, CaseIterable {
  // Packets received.
  /// Genuine, and somebody may want it: copies follow.
  case accepted = "worker_accepted"
  /// Genuine, of a known source that has no sink or only paused ones.
  case noSink = "worker_no_sink"
  /// From a 5-tuple that no transport has.
  case unknownTuple = "worker_unknown_tuple"
  /// Clear RTP that its UDP checksum says is damaged.
  case damaged = "worker_bad_checksum"
  /// Not a well-formed RTP packet.
  case malformed = "worker_malformed"
  /// SRTP whose tag is wrong.
  case authenticationFailed = "worker_auth_failed"
  /// Seen before, or older than the replay window.
  case replayed = "worker_replayed"
  /// Beyond what its source may send, where no program in the kernel drops that.
  case rateLimited = "worker_rate_limited"
  /// Genuine, of an SSRC without a source: the control plane is told.
  case unknownSSRC = "worker_unknown_ssrc"
  /// Genuine, of a new SSRC, while the transport had many new ones of late.
  case ssrcRateLimited = "worker_ssrc_rate_limited"
  /// Genuine, with nothing but padding in it, as it is sent to probe: no receiver gets it, nor a number for it.
  case padding = "worker_padding"
  /// A retransmission without a packet in it, as they are sent to probe.
  case emptyRetransmission = "worker_empty_retransmission"
  /// A retransmission of a packet that is there already.
  case repairedInVain = "worker_repaired_in_vain"
  /// A retransmission of what no source misses: of an unknown one, of no packet before its latest, of an unknown payload type.
  case unknownRepair = "worker_unknown_repair"
  /// One more SSRC than a transport may have.
  case tooManySSRCs = "worker_too_many_ssrcs"

  // Other datagrams.
  /// From a 5-tuple without a transport: no connectivity check of a peer that is expected, nor from where one was valid.
  case unexpected = "worker_unexpected"
  /// Beyond what a transport, an expected peer, or all of these together may send.
  case controlRateLimited = "worker_control_rate_limited"

  // Copies.
  /// Handed over to a lane.
  case forwarded = "worker_forwarded"
  /// Made, and then not sent: no room or no way.
  case unsent = "worker_unsent"
  /// The sink does not take this payload type.
  case unwantedPayloadType = "worker_unwanted_payload_type"
  /// Older than the first packet that this sink was sent, at its start or since its pause.
  case beforeSink = "worker_before_sink"
  /// Does not fit into the memory given for it.
  case tooLarge = "worker_too_large"
  /// The cryptographic library refused, or the 48-bit index is used up.
  case sealingFailed = "worker_sealing_failed"

  // Commands and events.
  /// A packet to be sent again made room for a later one, or was gone when its turn came.
  case lostRepair = "worker_lost_repair"
  /// A command that names something unknown.
  case ignoredCommand = "worker_ignored_command"
  /// A command that would exceed a limit, reuse a live name, or whose keys the cryptographic library refused.
  case refusedCommand = "worker_refused_command"
  /// An arrival or an unknown SSRC that no event had room for.
  case droppedEvent = "worker_dropped_event"
}

/// One counter per verdict, in memory that counting does not copy.
struct VerdictCounters: ~Copyable {
  private let counts: UnsafeMutablePointer<UInt64>

  init() {
    counts = .allocate(capacity: ForwardingVerdict.allCases.count)
    counts.initialize(repeating: 0, count: ForwardingVerdict.allCases.count)
  }

  deinit { counts.deallocate() }

  @inline(__always)
  func add(_ verdict: ForwardingVerdict, _ count: Int = 1) {
    counts[verdict.ordinal] &+= UInt64(truncatingIfNeeded: count)
  }

  func count(_ verdict: ForwardingVerdict) -> UInt64 { counts[verdict.ordinal] }

  var values: [VerdictCount] {
    ForwardingVerdict.allCases.map { VerdictCount(name: $0.rawValue, count: counts[$0.ordinal]) }
  }
}

extension ForwardingVerdict {
  /// The position in declaration order.
  @inline(__always)
  fileprivate var ordinal: Int {
    // A payload-free enum of fewer than 256 cases is one byte that counts them in order.
    Int(unsafeBitCast(self, to: UInt8.self))
  }
}
