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
  var isMuted = false
  /// The only SSRC it may come under; nil: whichever the publisher chooses.
  var fixedSSRC: UInt32?

  /// The one a publisher prefers; RED carries it.
  var mainCodec: NegotiatedCodec? { codecs.first { $0.name.lowercased() != "red" } }

  /// The codecs people see: those that carry media themselves, each name once.
  var codecNames: [String] {
    codecs.map(\.name).reduce(into: []) { names, name in
      if name.lowercased() != "red", !names.contains(name) { names.append(name) }
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
  /// The middle 32 bits of the latest sender report's NTP time, and when it came (RFC 3550 section 6.4.1).
  var lastSenderReport: (ntp: UInt32, at: Instant)?
  var keyFrames = KeyFrameRequests()
  var nacks = NackHistory()

  init(source: Source, track: TrackID, addedAt: Instant) {
    self.source = source
    self.track = track
    self.addedAt = addedAt
    statistics = SourceStatistics(id: source.id)
    previous = statistics
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
  var roundTrip: Interval?
  /// NTP middle of the last sender report forwarded, and when: what the receiver's LSR refers to.
  var lastSenderReport: (ntp: UInt32, at: Instant)?

  init(sink: Sink, track: TrackID) {
    self.sink = sink
    self.track = track
    statistics = SinkStatistics(id: sink.id)
    previous = statistics
  }
}
