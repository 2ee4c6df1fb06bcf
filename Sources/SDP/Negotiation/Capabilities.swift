/// The URIs of RTP header extensions that pass through, or that we read.
public enum ExtensionURI {
  public static let mid = "urn:ietf:params:rtp-hdrext:sdes:mid"
  public static let rid = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
  public static let repairedRID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
  public static let audioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
  public static let transportWideSequence = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
  public static let absoluteSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
  public static let absoluteCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
  public static let videoOrientation = "urn:3gpp:video-orientation"
  public static let playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
  public static let videoContentType = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
  public static let videoTiming = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
  public static let colorSpace = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
  public static let videoLayersAllocation = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
  public static let dependencyDescriptor =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
}

/// What we can take and pass on. An SFU decodes nothing, so this is about framing, not about decoders.
public struct Capabilities: Hashable, Sendable {
  /// A codec that passes.
  public struct Codec: Hashable, Sendable {
    public var kind: MediaDescription.Kind
    public var name: String
    public var clockRate: UInt32
    public var channels: UInt8

    public init(kind: MediaDescription.Kind, name: String, clockRate: UInt32, channels: UInt8 = 1) {
      self.kind = kind
      self.name = name
      self.clockRate = clockRate
      self.channels = channels
    }
  }

  public var codecs: [Codec]
  /// Header extensions taken from a publisher.
  public var publishExtensions: [String]
  /// Header extensions passed to a subscriber, besides the MID, which we write ourselves.
  public var subscribeExtensions: [String]
  /// RTCP feedback asked of a publisher.
  public var publishFeedback: [String]
  /// RTCP feedback about video taken from a subscriber ("nack" only where there is RTX to answer it with).
  public var subscribeFeedback: [String]
  /// Whether one-byte and two-byte header extensions may be mixed. Without it the dependency descriptor, which outgrows
  /// one-byte elements on key frames, is not negotiated either.
  public var allowsMixedExtensions: Bool
  /// m-lines that a publisher may send on; the rest of its offer is refused.
  public var maximumTracks = Int.max

  public init(
    codecs: [Codec], publishExtensions: [String], subscribeExtensions: [String], publishFeedback: [String],
    subscribeFeedback: [String], allowsMixedExtensions: Bool
  ) {
    self.codecs = codecs
    self.publishExtensions = publishExtensions
    self.subscribeExtensions = subscribeExtensions
    self.publishFeedback = publishFeedback
    self.subscribeFeedback = subscribeFeedback
    self.allowsMixedExtensions = allowsMixedExtensions
  }

  public static let standard = Capabilities(
    codecs: usual + telephony + besideSound,
    publishExtensions: [
      ExtensionURI.mid, ExtensionURI.rid, ExtensionURI.repairedRID, ExtensionURI.transportWideSequence,
      ExtensionURI.absoluteSendTime,
    ] + passedExtensions + [ExtensionURI.videoLayersAllocation],
    subscribeExtensions: passedExtensions,
    publishFeedback: ["nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"],
    subscribeFeedback: ["nack", "nack pli", "ccm fir"],
    allowsMixedExtensions: true)

  /// What browsers take first.
  private static let usual =
    [
      Codec(kind: .audio, name: "opus", clockRate: 48000, channels: 2),
      Codec(kind: .audio, name: "red", clockRate: 48000, channels: 2),
    ] + ["VP8", "VP9", "H264", "AV1", "H265"].map { Codec(kind: .video, name: $0, clockRate: 90000) }

  private static let telephony = ["PCMU", "PCMA", "G722"].map { Codec(kind: .audio, name: $0, clockRate: 8000) }

  /// At the rate of what they go beside.
  private static let besideSound = [8000, 16000, 32000, 48000].flatMap { rate in
    ["telephone-event", "CN"].map { Codec(kind: .audio, name: $0, clockRate: rate) }
  }

  /// About the media itself, so that they mean the same at the receiver.
  private static let passedExtensions = [
    ExtensionURI.audioLevel, ExtensionURI.videoOrientation, ExtensionURI.playoutDelay, ExtensionURI.videoContentType,
    ExtensionURI.videoTiming, ExtensionURI.colorSpace, ExtensionURI.absoluteCaptureTime,
    ExtensionURI.dependencyDescriptor,
  ]
}

extension Capabilities {
  /// Those of the m-line's codecs that pass, in its order. What carries no media itself only beside a codec that does.
  func common(with section: MediaDescription) -> [NegotiatedCodec] {
    let known = Set(codecs.filter { $0.kind == section.kind }.map(\.encoding))
    let passing = section.codecs.filter { known.contains(CodecIdentity($0).encoding) }
    return passing.contains(where: \.carriesMedia) ? passing : []
  }

  /// What passes, for people.
  var codecNames: String {
    func names(_ kind: MediaDescription.Kind) -> String {
      codecs.filter { $0.kind == kind && $0.carriesMedia }.map(\.name).joined(separator: ", ")
    }
    return "audio: \(names(.audio)); video: \(names(.video))"
  }
}

extension Capabilities.Codec {
  fileprivate var negotiated: NegotiatedCodec {
    NegotiatedCodec(payloadType: 0, name: name, clockRate: clockRate, channels: channels)
  }

  fileprivate var encoding: CodecIdentity.Encoding { CodecIdentity(negotiated).encoding }

  /// See `NegotiatedCodec.carriesMedia`.
  public var carriesMedia: Bool { negotiated.carriesMedia }
}
