import Wire

/// How packets travel (fast-path lanes).
public enum Lane: String, Hashable, Sendable, CaseIterable { case kernel, xsk, socket }

/// Cumulative counters of one source, by its worker.
public struct SourceStatistics: Hashable, Sendable {
  public var id: SourceID
  public var packets: UInt64 = 0
  /// RTP bytes as received: header, payload and authentication tag.
  public var bytes: UInt64 = 0
  /// Packets by the lane they arrived on.
  public var packetsOnXSK: UInt64 = 0
  public var packetsOnSocket: UInt64 = 0
  public var packetsOnKernel: UInt64 = 0
  /// Packets beyond the source's rate limit.
  public var rateLimited: UInt64 = 0
  /// First and highest sequence number, extended by rollovers (RFC 3550 appendix A.1). Where a sender of clear RTP begins
  /// anew the first moves by what is left out, so that the two tell how many packets there should be.
  public var firstSequence: UInt32 = 0
  public var highestSequence: UInt32 = 0
  /// Interarrival jitter in RTP timestamp units (RFC 3550 section 6.4.1); of retransmissions always 0.
  public var jitter: UInt32 = 0
  /// Packets that said how loud they are, and the sum of their powers (`AudioLevel.power`), which wraps.
  public var audioLevels: UInt64 = 0
  public var audioPower: UInt64 = 0
  /// Packets that had not come when later ones did, how many were asked for, repetitions included, and those given up.
  public var missing: UInt64 = 0
  public var requested: UInt64 = 0
  public var unrepaired: UInt64 = 0
  /// From the gap to the retransmission, of all `repaired` together.
  public var repairNanoseconds: UInt64 = 0
  /// Between us and the publisher, by the latest retransmission of a packet that was asked for once; nil before the first.
  public var roundTrip: Interval?
  /// Packets that came by retransmission (RFC 4588) in time to be forwarded, and those that had come before.
  public var repaired: UInt64 = 0
  public var repairedInVain: UInt64 = 0
  public var authenticationFailures: UInt64 = 0
  public var replays: UInt64 = 0
  public var lastArrival: Instant = .zero
  /// Of the latest packet that the worker saw; nil: none yet.
  public var payloadType: UInt8?
  public var lane: Lane = .socket
  /// Why that lane and none before it, for people: "not in the kernel: the source is encrypted", "eth0 has no XDP support".
  public var laneReason: String = ""

  public init(id: SourceID) { self.id = id }
}

/// Cumulative counters of one sink, by its worker.
public struct SinkStatistics: Hashable, Sendable {
  public var id: SinkID
  public var packets: UInt64 = 0
  /// RTP bytes as sent: header, payload and authentication tag.
  public var bytes: UInt64 = 0
  /// RTP payload octets alone, for sender reports.
  public var payloadOctets: UInt64 = 0
  public var packetsOnXSK: UInt64 = 0
  public var packetsOnSocket: UInt64 = 0
  public var packetsOnKernel: UInt64 = 0
  /// Copies that could not be sent (ring full, no next hop, socket buffer full).
  public var dropped: UInt64 = 0
  /// What became of each packet that the receiver asked for again.
  public var repairs = RepairCounts()
  /// What was sent again (RFC 4588), which none of the counters above includes.
  public var retransmittedPackets: UInt64 = 0
  public var retransmittedBytes: UInt64 = 0
  /// From the receiver's request to the packet handed over, of all `retransmittedPackets` together.
  public var repairNanoseconds: UInt64 = 0
  /// When the first copy left; nil before.
  public var firstSent: Instant?
  /// When the latest copy left, to some milliseconds; nil before the first.
  public var lastSent: Instant?
  public var lane: Lane = .socket
  public var laneReason: String = ""

  public init(id: SinkID) { self.id = id }
}

/// A named cumulative counter: a verdict of the XDP program or a drop reason of the worker.
public struct VerdictCount: Hashable, Sendable {
  public var name: String
  public var count: UInt64

  public init(name: String, count: UInt64) {
    self.name = name
    self.count = count
  }
}

/// How the fast path is attached to one interface.
public struct InterfaceStatus: Hashable, Sendable {
  public var name: String
  public var index: UInt32
  /// "native", "generic" or "" when no program is attached.
  public var xdpMode: String
  /// "zero-copy", "copy" or "".
  public var xskMode: String
  public var queues: Int
  /// How the TC program is attached: "tcx", or "" if it is not, for `tcReason`.
  public var tcMode = ""
  public var tcReason = ""
  public var lane: Lane
  /// Why this lane, for people.
  public var reason: String

  public init(name: String, index: UInt32, xdpMode: String, xskMode: String, queues: Int, lane: Lane, reason: String) {
    self.name = name
    self.index = index
    self.xdpMode = xdpMode
    self.xskMode = xskMode
    self.queues = queues
    self.lane = lane
    self.reason = reason
  }
}

/// A program that the fast path has in the kernel.
public struct ProgramStatus: Hashable, Sendable {
  public var name: String
  /// As `bpftool prog` shows it.
  public var id: UInt32

  public init(name: String, id: UInt32) {
    self.name = name
    self.id = id
  }
}

/// Occupied and available entries of one BPF map.
public struct MapFill: Hashable, Sendable {
  public var name: String
  public var used: Int
  public var capacity: Int

  public init(name: String, used: Int, capacity: Int) {
    self.name = name
    self.used = used
    self.capacity = capacity
  }
}

/// Cumulative distribution of the time from a packet's receipt by the worker to its last copy handed over.
public struct ForwardingTimes: Hashable, Sendable {
  /// Upper bounds in nanoseconds of `counts`; the last count is everything above the last bound.
  public static let bounds: [UInt64] = [
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 50_000_000,
  ]
  public var counts = [UInt64](repeating: 0, count: bounds.count + 1)
  public var sumNanoseconds: UInt64 = 0

  public init() {}
}

/// What is kept of the latest packets, for receivers that miss some.
public struct PacketCacheStatistics: Hashable, Sendable {
  /// Sources of which packets are kept.
  public var sources = 0
  /// Octets taken, and how many there may be.
  public var memory = 0
  public var limit = 0
  /// How often a source got room for less than a second of it, since the others left no more.
  public var shortened: UInt64 = 0

  public init() {}
}

public struct FastPathStatistics: Sendable {
  public var at: Instant
  public var sources: [SourceStatistics] = []
  public var sinks: [SinkStatistics] = []
  public var media = MediaTotals()
  public var verdicts: [VerdictCount] = []
  public var interfaces: [InterfaceStatus] = []
  public var programs: [ProgramStatus] = []
  public var maps: [MapFill] = []
  public var forwardingTimes = ForwardingTimes()
  /// From a receiver's request to the retransmission handed over.
  public var repairTimes = ForwardingTimes()
  public var packetCache = PacketCacheStatistics()

  public init(at: Instant) { self.at = at }
}
