/// A track on its way to a subscriber: what its m-line says.
public struct OfferedTrack: Hashable, Sendable {
  public var trackID: String
  /// Names the MediaStream that it is in.
  public var streamID: String
  /// `.audio` or `.video`.
  public var kind: MediaDescription.Kind
  /// The publisher's, in its order, with its payload types.
  public var codecs: [NegotiatedCodec]
  /// URIs of the header extensions the publisher sends.
  public var extensions: [String]
  /// The SSRCs under which copies go to this subscriber.
  public var ssrc: UInt32
  public var retransmissionSSRC: UInt32?
  public var cname: String
  /// The payload type among `codecs` that the publisher sends now; nil: not known.
  public var flowing: UInt8?

  public init(
    trackID: String, streamID: String, kind: MediaDescription.Kind, codecs: [NegotiatedCodec], extensions: [String],
    ssrc: UInt32, retransmissionSSRC: UInt32? = nil, cname: String, flowing: UInt8? = nil
  ) {
    self.trackID = trackID
    self.streamID = streamID
    self.kind = kind
    self.codecs = codecs
    self.extensions = extensions
    self.ssrc = ssrc
    self.retransmissionSSRC = retransmissionSSRC
    self.cname = cname
    self.flowing = flowing
  }

  /// Its codecs that carry media, of those only the one that flows now where that is known.
  var mediaCodecs: [NegotiatedCodec] {
    let media = codecs.filter(\.carriesMedia)
    let flowing = media.filter { $0.payloadType == self.flowing }
    return flowing.isEmpty ? media : flowing
  }

  /// The value of `a=msid`.
  var msid: String { "\(token(streamID)) \(token(trackID))" }

  /// The `a=ssrc` lines: browsers bind packets to the m-line by them until one with a MID came.
  var sourceLines: [SDPLine] {
    var lines: [SDPLine] = []
    if let repair = retransmissionSSRC { lines.append(.attribute("ssrc-group", "FID \(ssrc) \(repair)")) }
    for ssrc in [ssrc] + (retransmissionSSRC.map { [$0] } ?? []) {
      lines.append(.attribute("ssrc", "\(ssrc) cname:\(token(cname))"))
      lines.append(.attribute("ssrc", "\(ssrc) msid:\(msid)"))
    }
    return lines
  }
}

extension [NegotiatedCodec] {
  /// What a receiver may take in place of the publisher's own codecs: browsers answer for the very profiles of H.264 that
  /// they name, and decode others of the family under the one that all of them have.
  var alternatives: [NegotiatedCodec] {
    let h264 = compactMap { codec -> (codec: NegotiatedCodec, parameters: H264Parameters)? in
      if case .h264(let parameters) = CodecIdentity(codec).parameters { (codec, parameters) } else { nil }
    }
    guard let first = h264.first(where: { $0.parameters.profile?.isCommon ?? true }),
      !h264.contains(where: { $0.parameters.profile == .constrainedBaseline })
    else { return [] }
    var common = first.codec
    common.fmtp = "packetization-mode=1;profile-level-id=42e01f"
    return [common]
  }
}

/// What a subscriber took of one m-line.
public struct SubscribedMedia: Hashable, Sendable {
  public var trackID: String
  public var mid: String
  /// Why nothing may be sent; nil: it may.
  public var refusal: Refusal?
  /// With the payload types under which the subscriber takes them.
  public var codecs: [NegotiatedCodec]
  /// Header-extension ids (1 to 14) by URI.
  public var extensions: [String: UInt8]

  public enum Refusal: Hashable, Sendable {
    /// The m-line was refused (port 0), which is what clients do without a common codec, or has no codec of the track.
    case codecs
    /// The client does not want to receive now.
    case direction
  }

  public init(
    trackID: String, mid: String, refusal: Refusal? = nil, codecs: [NegotiatedCodec], extensions: [String: UInt8]
  ) {
    self.trackID = trackID
    self.mid = mid
    self.refusal = refusal
    self.codecs = codecs
    self.extensions = extensions
  }

  public var isRejected: Bool { refusal != nil }
}

extension Capabilities {
  /// Feedback on what we send: retransmissions are asked for only where RTX can carry them.
  func subscriberFeedback(on kind: MediaDescription.Kind, hasRetransmissions: Bool) -> [String] {
    guard kind == .video else { return hasRetransmissions ? ["nack"] : [] }
    return subscribeFeedback.filter { $0 != "nack" || hasRetransmissions }
  }
}
