import Forwarding
import RTP
import SDP
import Wire

/// What a participant publishes: one m-line of its publish peer, or one stream of clear RTP.
struct Track {
  let id: TrackID
  let participant: ParticipantID
  let peer: TransportID
  let mid: String
  let kind: MediaKind
  var label: TrackLabel?
  var codecs: [NegotiatedCodec]
  /// Header-extension ids at the publisher, by URI.
  var extensions: [String: UInt8]
  var source: SourceID?
  var retransmission: SourceID?
  /// When the latest of either was learned from packets rather than named by an offer.
  var sourceLearnedAt: Instant?
  var retransmissionLearnedAt: Instant?
  var mutes: Mutes = []
  /// As long as anybody wants it to be.
  var isMuted: Bool { !mutes.isEmpty }
  /// The only SSRC it may come under; nil: whichever the publisher chooses.
  var fixedSSRC: UInt32?

  /// The one a publisher prefers; RED and the like go beside it.
  var mainCodec: NegotiatedCodec? { codecs.first(where: \.carriesMedia) }

  /// The codecs people see: those that carry media themselves, each name once.
  var codecNames: [String] {
    codecs.filter(\.carriesMedia).map(\.name).reduce(into: []) { names, name in
      if !names.contains(name) { names.append(name) }
    }
  }

  var info: TrackInfo {
    TrackInfo(id: id.rawValue, kind: kind.rawValue, label: label, codecs: codecNames, muted: isMuted)
  }

  /// Payload type of retransmissions → that of what they repeat.
  var repairedPayloadTypes: [UInt8: UInt8] {
    var types: [UInt8: UInt8] = [:]
    for codec in codecs { if let type = codec.retransmissionPayloadType { types[type] = codec.payloadType } }
    return types
  }

  /// The video codecs in which a key frame is known when it is seen, by payload type.
  var videoCodecs: [UInt8: VideoCodec] {
    var known: [UInt8: VideoCodec] = [:]
    for codec in codecs { known[codec.payloadType] = VideoCodec(name: codec.name) }
    return known
  }

  /// The payload types of RFC 4588 retransmissions among the publisher's.
  var retransmissionPayloadTypes: Set<UInt8> { Set(codecs.compactMap(\.retransmissionPayloadType)) }
}

/// Who wants a track muted. Its owner does not undo what an operator did.
struct Mutes: OptionSet {
  let rawValue: UInt8
  static let owner = Mutes(rawValue: 1)
  static let `operator` = Mutes(rawValue: 2)
}

/// The control plane's view of an inbound SSRC.
struct SourceState {
  let source: Source
  let track: TrackID
  let addedAt: Instant
  /// Its copies.
  var sinks: Set<SinkID> = []
  /// Latest counters, and those before them for rates.
  var statistics: SourceStatistics
  var previous: SourceStatistics
  var interval: Interval = .seconds(1)
  var lastReception: ReceptionReport?
  /// Loss over the last interval, 0 to 1.
  var loss: Double = 0
  var losses = LossWindow()
  /// Those of the track's payload types that carry media.
  private let mediaPayloadTypes: Set<UInt8>
  /// The one of the latest packets; nil before any.
  private(set) var flowingPayloadType: UInt8?
  /// The middle 32 bits of the latest sender report's NTP time, and when it came (RFC 3550 section 6.4.1).
  var lastSenderReport: (ntp: UInt32, at: Instant)?
  var keyFrames = KeyFrameRequests()
  var nacks = NackHistory()
  /// Messages to its publisher.
  var nacksSent: UInt64 = 0
  var keyFrameRequestsSent: UInt64 = 0

  init(source: Source, track: Track, addedAt: Instant) {
    self.source = source
    self.track = track.id
    self.addedAt = addedAt
    mediaPayloadTypes = Set(track.codecs.filter(\.carriesMedia).map(\.payloadType))
    statistics = SourceStatistics(id: source.id)
    previous = statistics
  }

  mutating func note(_ payloadType: UInt8?) {
    if let payloadType, mediaPayloadTypes.contains(payloadType) { flowingPayloadType = payloadType }
  }
}

/// The control plane's view of one outbound copy.
struct SinkState {
  let sink: Sink
  let track: TrackID
  var statistics: SinkStatistics
  var previous: SinkStatistics
  var interval: Interval = .seconds(1)
  /// What the receiver last said of it.
  var reported: ReportBlock?
  var losses = LossWindow()
  /// How many of the packets sent again reached the receiver, as it last said; nil: it has not.
  var repaired: UInt32?
  var roundTrip: Interval?
  /// Messages of its receiver.
  var nacksReceived: UInt64 = 0
  var keyFrameRequestsReceived: UInt64 = 0
  /// NTP middle of the last sender report forwarded, and when: what the receiver's LSR refers to.
  var lastSenderReport: (ntp: UInt32, at: Instant)?

  init(sink: Sink, track: TrackID) {
    self.sink = sink
    self.track = track
    statistics = SinkStatistics(id: sink.id)
    previous = statistics
  }
}
