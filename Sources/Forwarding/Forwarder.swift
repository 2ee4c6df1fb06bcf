import RTP
import SRTP
import Wire

/// The per-packet logic of one worker, without input or output: what arrives is authenticated, decrypted and counted once,
/// and rewritten and encrypted for each receiver.
///
/// ```
/// receive(packet) ── copy(into:) ── copy(into:) … 0 ── account(copy) for each ── next packet
/// announce(packet) for each of a batch ── beginAnnounced() ── all that for each, in that order ── forgetAnnounced()
/// ```
///
/// Confined to one thread. Nothing on the way of a packet allocates or counts references.
public struct Forwarder: ~Copyable {
  var engine: CryptographyEngine
  var transports = SlotPool<TransportSlot>()
  var streams = SlotPool<StreamSlot>()
  var sinks = SlotPool<SinkSlot>()
  let verdicts = VerdictCounters()
  var totals = MediaTotals()
  private let packetPlace = Place(ReceivedPacket())
  var events = PendingEvents()
  let limits: ForwardingLimits

  /// Slots by what a packet says: its 5-tuple, and then its transport and SSRC.
  let secret = UInt64.random(in: 0 ... .max)
  var transportsByTuple = SlotIndex()
  var streamsBySSRC = SlotIndex()
  /// Slots by what the control plane says.
  var transportsByID: [TransportID: Int] = [:]
  var streamsByID: [SourceID: Int] = [:]
  var sinksByID: [SinkID: Int] = [:]
  var retransmitters = SlotPool<Retransmitter>()
  var repairQueue = RepairQueue()
  /// Of all sinks since the start.
  var repairCounts = RepairCounts()
  /// Octets that the caches take, and how many of each class there are.
  var cacheMemory = 0
  var cachesOfClass = [Int](repeating: 0, count: CacheSize.classes.count)
  /// How often a cache got less than a second's worth, since there was no memory for it.
  var shortenedCaches: UInt64 = 0
  /// Those that miss packets, and when something of that is due.
  var waitingStreams: [Int] = []
  var missingDue = Instant(nanoseconds: .max)
  /// When the caches' sizes are looked at next.
  var cachesDue = Instant.zero
  /// Datagrams that are not RTP, from 5-tuples without a transport.
  var expectations = Expectations()
  var allExpected = RateMeter()
  /// How many transports gain from announcements.
  var announceableTransports = 0
  /// Whether anything is captured: then `receiveCapturing` and `keepClear` are to be called.
  public internal(set) var isCapturing = false
  /// By place, which the transports' masks have a bit for.
  var captures: [CaptureBuffer?]
  /// The packet received last as it was on the wire, and copies in clear.
  var arrival: [UInt8] = []
  /// The same in clear.
  var clearArrival: [UInt8] = []
  var clearCopies = ClearCopies()

  public init(cryptography: CryptographyProvider = .preferred) {
    self.init(cryptography: cryptography, limits: ForwardingLimits())
  }

  public init(cryptography: CryptographyProvider, limits: ForwardingLimits) {
    engine = CryptographyEngine(cryptography)
    self.limits = limits
    captures = [CaptureBuffer?](repeating: nil, count: max(0, min(limits.captures, 8)))
  }

  @inline(__always)
  var packet: UnsafeMutablePointer<ReceivedPacket> { packetPlace.pointer }

  /// The library that runs: `.ipsecMB` or `.openSSL`.
  public var cryptography: CryptographyProvider { engine.provider }

  /// The dense number that copies name this transport by: stable while it lives, reused later. nil if there is none.
  public func index(of id: TransportID) -> Int? { transportsByID[id] }

  /// Where copies for a transport go; nil if the number is not in use.
  public func tuple(ofTransport index: Int) -> FiveTuple? {
    transports.contains(index) ? transports[index].pointee.tuple : nil
  }

  /// Media since the start.
  public var mediaTotals: MediaTotals {
    var totals = totals
    totals.authenticationFailures = verdicts.count(.authenticationFailed)
    totals.replays = verdicts.count(.replayed)
    return totals
  }

  /// Cumulative counters of every source and sink and of every way out. `laneReason` is left for whoever knows it.
  public func statistics() -> (sources: [SourceStatistics], sinks: [SinkStatistics], verdicts: [VerdictCount]) {
    (
      streamsByID.values.map { streams[$0].pointee.statistics },
      sinksByID.values.map { sinks[$0].pointee.statistics },
      verdicts.values
        + RepairOutcome.allCases.map { VerdictCount(name: "worker_nacked_\($0.rawValue)", count: repairCounts[$0]) }
    )
  }

  /// How a copy ended: sent on a lane, or dropped (nil). While something is captured its memory must still be as it was.
  public mutating func account(_ copy: PacketCopy, sentOn lane: Lane?, now: Instant) {
    guard sinks.contains(copy.sink) else { return }
    verdicts.add(lane == nil ? .unsent : .forwarded)
    sinks[copy.sink].pointee.count(copy, sentOn: lane, now: now)
    if let lane {
      totals.sent.add(lane, packets: 1, bytes: UInt64(truncatingIfNeeded: copy.length))
      if copy.askedAt != nil { totals.retransmitted.add(1, UInt64(truncatingIfNeeded: copy.length)) }
    }
    if isCapturing { captureCopy(copy, sentOn: lane, now: now) }
  }
}

/// What a worker keeps at most, so that no peer and no control plane can make it grow without end.
public struct ForwardingLimits: Sendable {
  public var transports = 16_384
  /// SSRCs heard, known or not, per transport.
  public var streamsPerTransport = 128
  /// Of those without a source, how many may be new.
  public var newSSRCs = Rate(perSecond: 10, burst: 128)
  public var sinks = 262_144
  /// Octets of packets kept for receivers that miss them, of all sources.
  public var cacheMemory = 1 << 30
  /// SSRCs remembered that were sent under one transport's keys.
  public var sentSSRCsPerTransport = 4096
  /// Datagrams that are not RTP, of one transport: a receiver can miss much.
  public var controlOfOne = Rate(perSecond: 2000, burst: 2000)
  /// Of one peer that is expected, from 5-tuples without a transport: checks of some pairs, and a handshake.
  public var controlOfExpected = Rate(perSecond: 200, burst: 200)
  /// Of all of them. The burst leaves room in the `EventBacklog` for transports.
  public var controlOfAllExpected = Rate(perSecond: 8000, burst: EventBacklog.maximumDatagrams / 2)
  /// At once; no more than eight.
  public var captures = 8

  public init() {}
}

extension SinkSlot {
  @inline(__always)
  mutating func count(_ copy: PacketCopy, sentOn lane: Lane?, now: Instant) {
    guard let lane else {
      statistics.dropped &+= 1
      return
    }
    if let askedAt = copy.askedAt {
      statistics.retransmittedPackets &+= 1
      statistics.retransmittedBytes &+= UInt64(truncatingIfNeeded: copy.length)
      statistics.repairNanoseconds &+= now.since(askedAt).nanoseconds
      return
    }
    if statistics.firstSent == nil { statistics.firstSent = now }
    statistics.lastSent = now
    statistics.packets &+= 1
    statistics.bytes &+= UInt64(truncatingIfNeeded: copy.length)
    statistics.payloadOctets &+= UInt64(truncatingIfNeeded: copy.payloadOctets)
    if lane == .xsk { statistics.packetsOnXSK &+= 1 } else { statistics.packetsOnSocket &+= 1 }
    statistics.lane = lane
  }
}
