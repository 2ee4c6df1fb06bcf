import RTP
import SRTP
import Wire

/// Names of routes. The control plane chooses them, never uses one twice, and the fast path only repeats them.
public struct TransportID: Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct SourceID: Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public struct SinkID: Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public enum MediaKind: String, Hashable, Sendable { case audio, video }

/// What protects the RTP of a transport.
public enum Protection: Sendable {
  /// Plain RTP.
  case clear
  /// SRTP (RFC 3711, RFC 7714): `inbound` opens what the peer sends, `outbound` seals what we send to it.
  case srtp(inbound: SRTPKeys, outbound: SRTPKeys)
}

/// Header-extension ids by which an unknown SSRC of a transport says whose it is (RFC 9143, RFC 8852), the
/// transport-wide sequence number whose arrival times are reported, and how loud audio is (RFC 6464). 0: not negotiated.
public struct ReadExtensions: Hashable, Sendable {
  public var mid: UInt8
  public var rid: UInt8
  public var repairedRID: UInt8
  public var transportWide: UInt8
  public var audioLevel: UInt8

  public init(mid: UInt8 = 0, rid: UInt8 = 0, repairedRID: UInt8 = 0, transportWide: UInt8 = 0, audioLevel: UInt8 = 0) {
    self.mid = mid
    self.rid = rid
    self.repairedRID = repairedRID
    self.transportWide = transportWide
    self.audioLevel = audioLevel
  }
}

/// A peer's ICE-selected 5-tuple with its keys. Programmed only once ICE, DTLS and the fingerprint check are complete.
public struct Transport: Sendable {
  public var id: TransportID
  public var tuple: FiveTuple
  public var protection: Protection
  public var extensions: ReadExtensions

  public init(
    id: TransportID, tuple: FiveTuple, protection: Protection, extensions: ReadExtensions = ReadExtensions()
  ) {
    self.id = id
    self.tuple = tuple
    self.protection = protection
    self.extensions = extensions
  }
}

/// How much a source may send; 0 for no limit. What is beyond is dropped: before it reaches the worker where XDP or TC runs,
/// else by the worker, unopened. A quarter of a second's worth may come at once.
public struct RateLimit: Hashable, Sendable {
  public var packetsPerSecond: UInt32
  /// Octets of RTP.
  public var bytesPerSecond: UInt32

  /// Beyond it the kernel's clock of nanoseconds is too coarse.
  public static let highest = 1_000_000_000

  public init(packetsPerSecond: UInt32 = 0, bytesPerSecond: UInt32 = 0) {
    self.packetsPerSecond = packetsPerSecond
    self.bytesPerSecond = bytesPerSecond
  }
}

/// An inbound SSRC on a transport.
public struct Source: Sendable {
  public var id: SourceID
  public var transport: TransportID
  public var ssrc: UInt32
  public var kind: MediaKind
  /// RTP clock rate in Hz, for jitter (RFC 3550 section 6.4.1).
  public var clockRate: UInt32
  /// Set when this SSRC carries the retransmissions (RFC 4588) of another source: they are taken as what they repeat.
  public var repairs: SourceID?
  /// Whether its sender sends again what it is asked for by NACK (RFC 4585).
  public var answersNACKs = false
  /// Of retransmissions: their payload type → that of what they repeat.
  public var repairedPayloadTypes: [UInt8: UInt8] = [:]
  /// Of video: what its payload types carry, as far as a key frame is known to begin in it.
  public var codecs: [UInt8: VideoCodec] = [:]
  /// Payload type of RED (RFC 2198) if negotiated, else nil. A sink that cannot take RED gets the primary block alone.
  public var redPayloadType: UInt8?
  public var rateLimit = RateLimit()

  public init(
    id: SourceID, transport: TransportID, ssrc: UInt32, kind: MediaKind, clockRate: UInt32, repairs: SourceID? = nil,
    redPayloadType: UInt8? = nil
  ) {
    self.id = id
    self.transport = transport
    self.ssrc = ssrc
    self.kind = kind
    self.clockRate = clockRate
    self.repairs = repairs
    self.redPayloadType = redPayloadType
  }
}

/// The retransmissions (RFC 4588) of a sink, under an SSRC of their own on the same transport.
public struct RetransmissionStream: Hashable, Sendable {
  public var ssrc: UInt32
  /// The receiver's payload type of media → that of its retransmissions.
  public var payloadTypes: [UInt8: UInt8]

  public init(ssrc: UInt32, payloadTypes: [UInt8: UInt8]) {
    self.ssrc = ssrc
    self.payloadTypes = payloadTypes
  }
}

/// One outbound copy of a source for one receiver.
public struct Sink: Sendable {
  public var id: SinkID
  public var source: SourceID
  /// The receiver's transport: where copies go and whose outbound keys seal them.
  public var transport: TransportID
  public var ssrc: UInt32
  /// Source payload type → payload type at the receiver. A packet of any other payload type is not copied.
  public var payloadTypes: [UInt8: UInt8]
  /// Source header-extension id → id at the receiver (1–14). Elements of any other id are left out, except in the kernel
  /// lane, which passes extensions through as they are (and is not taken if an id would have to change).
  public var extensions: [UInt8: UInt8]
  /// The receiver's MID extension id and value, written into every copy; nil: none.
  public var mid: (id: UInt8, value: [UInt8])?
  /// Added (wrapping) to the source's sequence number and timestamp. The worker moves `sequenceOffset` itself: when a pause
  /// ends, so that the receiver sees no gap; when an encrypted sink's SSRC was sent before under the same keys, so that
  /// its numbers go on; and by half the number space when an encrypted sink would start within 4096 numbers below a
  /// rollover, which a receiver that loses the first packets could not follow.
  public var sequenceOffset: UInt16
  public var timestampOffset: UInt32
  /// How the receiver takes again what it misses; nil: not at all.
  public var retransmission: RetransmissionStream?
  /// A paused sink keeps its place and gets no packets.
  public var isPaused: Bool
  /// The sequence number of its first retransmission, unless its stream of them was sent before under the same keys. It is
  /// random, and far below the first rollover, which a receiver could not know of.
  public var firstRetransmission: UInt16 { sequenceOffset & 0x7fff }

  public init(
    id: SinkID, source: SourceID, transport: TransportID, ssrc: UInt32, payloadTypes: [UInt8: UInt8],
    extensions: [UInt8: UInt8] = [:], mid: (id: UInt8, value: [UInt8])? = nil, sequenceOffset: UInt16 = 0,
    timestampOffset: UInt32 = 0, retransmission: RetransmissionStream? = nil, isPaused: Bool = false
  ) {
    self.id = id
    self.source = source
    self.transport = transport
    self.ssrc = ssrc
    self.payloadTypes = payloadTypes
    self.extensions = extensions
    self.mid = mid
    self.sequenceOffset = sequenceOffset
    self.timestampOffset = timestampOffset
    self.retransmission = retransmission
    self.isPaused = isPaused
  }
}
