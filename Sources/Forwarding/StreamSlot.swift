import RTP
import SRTP
import Wire

/// One SSRC heard on a transport. It becomes a source when the control plane says so; what was learned of its packet index
/// before stays.
struct StreamSlot: ~Copyable {
  let transport: Int
  let ssrc: UInt32
  var inbound: InboundStream
  var lastArrival = Instant.zero
  /// After a packet refused as old: the sequence number that would show a restart.
  private var restartSequence: UInt16?
  /// When the control plane was last told of this SSRC.
  var lastReported: Instant?

  // As a source.
  var source: SourceID?
  var clockRate: UInt32 = 0
  var isAudio = false
  var meter = SourceMeter(RateLimit())
  /// The source whose retransmissions it carries; nil: it carries media.
  var repairs: SourceID?
  /// By payload type: of retransmissions, that of what they repeat; of video, its `VideoCodec`. 0xff: none.
  private var meanings = InlineArray<128, UInt8>(repeating: 0xff)
  /// What receivers may want again.
  var cache = PacketCache()
  var demand = CacheDemand()
  /// Sinks whose receivers take retransmissions.
  var repairableSinks = 0
  /// Whether its sender sends again what it is asked for, and then what did not come.
  private(set) var asksForMissing = false
  var missing = MissingPackets()
  /// Whether `missing` is in the forwarder's list.
  var isWaiting = false
  var skipped = SkippedPackets()
  /// Where its latest key frame began, in index and timestamp.
  private(set) var keyFrame: (index: UInt64, timestamp: UInt32)?
  /// 0xff: none.
  var redPayloadType: UInt8 = 0xff
  var statistics: SourceStatistics
  var jitter = InterarrivalJitter()
  /// Slots of its sinks, in no particular order.
  private(set) var sinks: UnsafeMutablePointer<Int32>
  private(set) var sinkCount = 0
  private var sinkCapacity = 4
  /// Sinks that are not paused.
  var activeSinks = 0

  /// The rollover counter that a clear stream starts with, so that packets older than its first have an index.
  static let clearRollovers: UInt32 = 1
  /// MAX_MISORDER of RFC 3550 appendix A.1: what is less behind may only be late.
  private static let maximumMisorder: UInt64 = 100

  init(transport: Int, ssrc: UInt32, isClear: Bool) {
    self.transport = transport
    self.ssrc = ssrc
    inbound = InboundStream(rolloverCounter: isClear ? Self.clearRollovers : 0)
    statistics = SourceStatistics(id: SourceID(rawValue: 0))
    sinks = .allocate(capacity: sinkCapacity)
  }

  deinit { sinks.deallocate() }

  mutating func become(_ source: Source) {
    self.source = source.id
    clockRate = source.clockRate
    isAudio = source.kind == .audio
    redPayloadType = source.redPayloadType ?? 0xff
    repairs = source.repairs
    meter = SourceMeter(source.rateLimit)
    asksForMissing = source.answersNACKs && source.repairs == nil
    meanings = InlineArray(repeating: 0xff)
    for (type, codec) in source.codecs where type < 128 { meanings[Int(type)] = codec.rawValue }
    for (type, media) in source.repairedPayloadTypes where type < 128 && media < 128 { meanings[Int(type)] = media }
    keyFrame = nil
    statistics = SourceStatistics(id: source.id)
    jitter = InterarrivalJitter()
  }

  /// A new index for a packet that was refused as `index`, if the sender began anew: two in sequence that are old say so
  /// (RFC 3550 appendix A.1). It is above all before. The numbers left out are not counted as lost.
  mutating func restart(_ index: UInt64) -> UInt64? {
    guard index <= inbound.highest, inbound.highest &- index >= Self.maximumMisorder else { return nil }
    let sequence = UInt16(truncatingIfNeeded: index)
    guard sequence == restartSequence else {
      restartSequence = sequence &+ 1
      return nil
    }
    restartSequence = nil
    let restarted = (inbound.highest >> 16 &+ 1) << 16 | UInt64(sequence)
    statistics.firstSequence &+= UInt32(truncatingIfNeeded: restarted &- inbound.highest &- 1)
    return restarted
  }

  /// Counts one genuine packet (RFC 3550 sections 6.4.1 and A.1).
  @inline(__always)
  mutating func count(index: UInt64, timestamp: UInt32, bytes: Int, lane: Lane, now: Instant, isClear: Bool) {
    let base = isClear ? UInt64(Self.clearRollovers) << 16 : 0
    let extended = UInt32(truncatingIfNeeded: index &- base)
    if statistics.packets == 0 {
      statistics.firstSequence = extended
    }
    statistics.highestSequence = UInt32(truncatingIfNeeded: inbound.highest &- base)
    statistics.packets &+= 1
    statistics.bytes &+= UInt64(truncatingIfNeeded: bytes)
    if lane == .xsk { statistics.packetsOnXSK &+= 1 } else { statistics.packetsOnSocket &+= 1 }
    statistics.lane = lane
    statistics.lastArrival = now
    // Retransmissions have the timestamps of what they repeat, which say nothing of when they were sent.
    guard repairs == nil else { return }
    jitter.arrived(timestamp: timestamp, at: now, clockRate: clockRate)
    statistics.jitter = jitter.value
  }

  /// It is no source any more.
  mutating func resign() {
    source = nil
    repairs = nil
    asksForMissing = false
    missing.forgetAll()
  }

  /// Remembers a genuine packet. Returns how many before it are missing, where they can be asked for.
  @inline(__always)
  mutating func record(_ index: UInt64, now: Instant) -> UInt64 {
    let (highest, isFirst) = (inbound.highest, inbound.isEmpty)
    inbound.record(index)
    guard asksForMissing, index != highest &+ 1, !isFirst else { return 0 }
    guard index > highest else {
      _ = missing.came(index, again: false, now: now)
      return 0
    }
    missing.found(highest &+ 1, through: index &- 1, now: now)
    return index &- highest &- 1
  }

  /// See `meanings`.
  @inline(__always)
  func meaning(of payloadType: UInt8) -> UInt8 { meanings[Int(payloadType & 0x7f)] }

  /// Notes where a key frame begins: it may take several packets that look like its first.
  @inline(__always)
  mutating func noteKeyFrame(_ packet: UnsafeMutablePointer<ReceivedPacket>) {
    guard let codec = VideoCodec(rawValue: meaning(of: packet.pointee.layout.payloadType)),
      codec.beginsKeyFrame(packet.pointee.payload)
    else { return }
    if let keyFrame, packet.pointee.index <= keyFrame.index { return }
    guard keyFrame?.timestamp != packet.pointee.layout.timestamp else { return }
    keyFrame = (packet.pointee.index, packet.pointee.layout.timestamp)
    missing.keyFrameBegan(at: packet.pointee.index)
  }

  mutating func addSink(_ slot: Int) {
    if sinkCount == sinkCapacity {
      let larger = UnsafeMutablePointer<Int32>.allocate(capacity: sinkCapacity * 2)
      larger.moveInitialize(from: sinks, count: sinkCount)
      sinks.deallocate()
      sinks = larger
      sinkCapacity *= 2
    }
    sinks[sinkCount] = Int32(truncatingIfNeeded: slot)
    sinkCount += 1
  }

  mutating func removeSink(_ slot: Int) {
    for i in 0..<sinkCount where Int(sinks[i]) == slot {
      sinkCount -= 1
      sinks[i] = sinks[sinkCount]
      return
    }
  }
}

/// Interarrival jitter (RFC 3550 section 6.4.1), computed as in appendix A.8.
struct InterarrivalJitter {
  var lastTransit: UInt32?
  /// Scaled by 16.
  var scaled: UInt32 = 0

  var value: UInt32 { scaled >> 4 }

  @inline(__always)
  mutating func arrived(timestamp: UInt32, at now: Instant, clockRate: UInt32) {
    let seconds = now.nanoseconds / 1_000_000_000
    let rest = now.nanoseconds % 1_000_000_000
    let units = seconds &* UInt64(clockRate) &+ rest &* UInt64(clockRate) / 1_000_000_000
    let transit = UInt32(truncatingIfNeeded: units) &- timestamp
    if let lastTransit {
      let difference = Int32(bitPattern: transit &- lastTransit).magnitude
      scaled = scaled &+ difference &- ((scaled &+ 8) >> 4)
    }
    lastTransit = transit
  }
}
