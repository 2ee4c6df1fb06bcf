/// What an offer and our answer to it agree on.
public struct NegotiatedSession: Hashable, Sendable {
  public var answer: SessionDescription
  public var remote: RemoteTransportDescription
  /// One for each m-line, in order.
  public var media: [NegotiatedMedia]
  /// Whether the offer brought new ICE credentials.
  public var iceRestart: Bool
  /// `.passive` (we are the DTLS server) or `.active`.
  public var localSetup: SetupRole
  /// The m-lines that were to send and are refused.
  public var refused: [RefusedMedia] = []

  /// Those that are served.
  public var acceptedMedia: [NegotiatedMedia] { media.filter { !$0.isRejected } }
}

/// An m-line as agreed.
public struct NegotiatedMedia: Hashable, Sendable {
  public var mid: String
  /// Place among the m-lines, from 0.
  public var index: Int
  public var kind: MediaDescription.Kind
  public var isRejected: Bool
  /// As seen by the offerer, after our answer.
  public var direction: MediaDirection
  public var msid: MSID?
  public var cname: String?
  /// In the offer's order, with its payload types.
  public var codecs: [NegotiatedCodec]
  /// Header-extension ids (1 to 14) by URI.
  public var extensions: [String: UInt8]
  /// The SSRCs of media that the offer names; empty for simulcast by RID.
  public var ssrcs: [UInt32]
  /// Media SSRC to the SSRC of its retransmissions.
  public var retransmissionSSRC: [UInt32: UInt32]
  /// The simulcast encodings on offer. They are not taken: the answer asks for one encoding.
  public var rids: [SimulcastEncoding]

  /// Whether media comes on it.
  public var isSending: Bool { !isRejected && direction.sends && !codecs.isEmpty }

  public func hasFeedback(_ message: String) -> Bool { codecs.contains { $0.hasFeedback(message) } }

  /// An m-line that is refused.
  init(rejecting section: MediaDescription, index: Int) {
    self.init(section, index: index, direction: .inactive, codecs: [], extensions: [])
    isRejected = true
  }

  init(
    _ section: MediaDescription, index: Int, direction: MediaDirection, codecs: [NegotiatedCodec],
    extensions: [ExtensionMap]
  ) {
    mid = section.mid ?? ""
    self.index = index
    kind = section.kind
    isRejected = false
    self.direction = direction
    self.codecs = codecs
    self.extensions = [:]
    for map in extensions { self.extensions[map.uri] = UInt8(truncatingIfNeeded: map.id) }
    ssrcs = direction.sends ? section.mediaSSRCs : []
    retransmissionSSRC = direction.sends ? section.retransmissionSSRCs : [:]
    cname = section.cname
    rids = direction.sends ? section.sentEncodings : []
    msid =
      section.msids.first ?? section.ssrcAttributes.first { $0.name == "msid" }.flatMap { MSID(attribute: $0.value) }
  }
}
