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

  public init(
    trackID: String, streamID: String, kind: MediaDescription.Kind, codecs: [NegotiatedCodec], extensions: [String],
    ssrc: UInt32, retransmissionSSRC: UInt32? = nil, cname: String
  ) {
    self.trackID = trackID
    self.streamID = streamID
    self.kind = kind
    self.codecs = codecs
    self.extensions = extensions
    self.ssrc = ssrc
    self.retransmissionSSRC = retransmissionSSRC
    self.cname = cname
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

/// What a subscriber took of one m-line.
public struct SubscribedMedia: Hashable, Sendable {
  public var trackID: String
  public var mid: String
  /// Nothing may be sent: the m-line was refused, set not to receive, or has no codec of the track.
  public var isRejected: Bool
  /// With the payload types under which the subscriber takes them.
  public var codecs: [NegotiatedCodec]
  /// Header-extension ids (1 to 14) by URI.
  public var extensions: [String: UInt8]

  public init(
    trackID: String, mid: String, isRejected: Bool, codecs: [NegotiatedCodec], extensions: [String: UInt8]
  ) {
    self.trackID = trackID
    self.mid = mid
    self.isRejected = isRejected
    self.codecs = codecs
    self.extensions = extensions
  }
}

extension Capabilities {
  /// Feedback on what we send: retransmissions are asked for only where RTX can carry them.
  func subscriberFeedback(on kind: MediaDescription.Kind, hasRetransmissions: Bool) -> [String] {
    guard kind == .video else { return hasRetransmissions ? ["nack"] : [] }
    return subscribeFeedback.filter { $0 != "nack" || hasRetransmissions }
  }
}
