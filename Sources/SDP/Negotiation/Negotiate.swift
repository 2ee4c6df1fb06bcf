/// Answers a publisher's offer (RFC 3264, RFC 8829 section 5.3; over HTTP: RFC 9725): we receive whatever it sends and
/// we can pass on, and send nothing. Pure: the same arguments give the same answer.
///
/// `previous` is what the session agreed on before, if this is a new offer in it: m-lines keep their place and mid,
/// and new ICE credentials are an ICE restart. Simulcast is answered without `a=simulcast`, which makes browsers send
/// one encoding.
public func negotiate(
  offer: SessionDescription, capabilities: Capabilities, local: LocalTransportDescription, previous: NegotiatedSession?
) throws(SDPError) -> NegotiatedSession {
  try AcceptedOffer(offer, capabilities: capabilities, previous: previous).answered(by: local)
}

/// A publisher's offer that will be answered: everything that can be refused has been looked at, and our side of the
/// transport, which the answer names, need not exist yet.
public struct AcceptedOffer {
  /// Whether the offer brought new ICE credentials, so that the answer must, too.
  public let iceRestart: Bool
  private let checked: CheckedOffer
  private let capabilities: Capabilities
  private let previous: NegotiatedSession?
  private let transport: AnsweredTransport
  /// One for each m-line, in order.
  public let media: [NegotiatedMedia]
  /// Those that were to send and are rejected.
  public let refused: [RefusedMedia]

  /// Throws what is wrong with the offer; arguments as of `negotiate`.
  public init(
    _ offer: SessionDescription, capabilities: Capabilities, previous: NegotiatedSession?
  ) throws(SDPError) {
    checked = try CheckedOffer(offer, isFirst: previous == nil)
    self.capabilities = capabilities
    self.previous = previous
    try checkContinuity(of: offer, after: previous)
    let transport = try AnsweredTransport(checked, previous: previous)
    self.transport = transport
    iceRestart = previous.map { !$0.remote.hasSameCredentials(as: transport.remote) } ?? false
    let usable = checked.usable
    var media = offer.media.enumerated().map { index, section in
      usable.contains(index)
        ? NegotiatedMedia(publishing: section, index: index, offer: offer, capabilities: capabilities)
        : NegotiatedMedia(rejecting: section, index: index)
    }
    for index in media.indices where media[index].codecs.isEmpty { media[index].isRejected = true }
    if !usable.isEmpty, media.allSatisfy(\.isRejected) { throw .noCommonCodec }
    try checkSSRCs(of: media)
    let surplus = Set(media.indices.filter { media[$0].isSending }.dropFirst(capabilities.maximumTracks))
    for index in surplus { media[index] = NegotiatedMedia(rejecting: offer.media[index], index: index) }
    refused = checked.refused(media, surplus, limit: capabilities.maximumTracks)
    self.media = media
  }

  /// The answer, with `local` as our side of the transport.
  public func answered(by local: LocalTransportDescription) -> NegotiatedSession {
    let writer = AnswerWriter(checked: checked, capabilities: capabilities, local: local, setup: transport.setup)
    let contents = media.map { $0.isRejected ? nil : writer.content(of: $0, sending: nil, answers: []) }
    return NegotiatedSession(
      answer: writer.answer(contents, previous: previous), remote: transport.remote, media: media,
      iceRestart: iceRestart, localSetup: transport.setup, refused: refused)
  }
}

extension CheckedOffer {
  /// Those of `media` that were to send and are rejected, with the reason.
  fileprivate func refused(_ media: [NegotiatedMedia], _ surplus: Set<Int>, limit: Int) -> [RefusedMedia] {
    zip(media, session.media).compactMap { media, section in
      guard media.isRejected, section.isRTP, !section.isDisabled, section.direction(in: session).sends else {
        return nil
      }
      let reason: RefusedMedia.Reason =
        if surplus.contains(media.index) {
          .surplus(limit: limit)
        } else if usable.contains(media.index) { .noCommonCodec(section.codecs.mediaNames) } else { .outsideBundle }
      return RefusedMedia(mid: media.mid, kind: media.kind, reason: reason)
    }
  }
}

/// The other side's transport and the DTLS role that follows from it.
struct AnsweredTransport {
  let remote: RemoteTransportDescription
  let setup: SetupRole

  init(_ checked: CheckedOffer, previous: NegotiatedSession?) throws(SDPError) {
    guard let tagged = checked.tagged else {
      // Every m-line was stopped: the transport, if there is one, stays as it is.
      guard let previous else { throw .noMedia }
      remote = previous.remote
      setup = previous.localSetup
      return
    }
    remote = try RemoteTransportDescription(
      checked.session.media[tagged], in: checked.session, defaultSetup: .actpass)
    switch remote.setup {
    case .passive: setup = .active
    case .active: setup = .passive
    // An association that goes on keeps its roles (RFC 8842 section 5.5); a new certificate begins a new one.
    case .actpass, .holdconn:
      if let previous, previous.remote.fingerprints == remote.fingerprints {
        setup = previous.localSetup
      } else {
        setup = .passive
      }
    }
  }
}

/// m-lines are never removed or moved; one that was refused may come back as something else (RFC 8829 section 5.2.2).
private func checkContinuity(of offer: SessionDescription, after previous: NegotiatedSession?) throws(SDPError) {
  guard let previous else { return }
  guard offer.media.count >= previous.media.count else {
    throw .mediaRemoved(expected: previous.media.count, found: offer.media.count)
  }
  for (old, section) in zip(previous.media, offer.media) where !old.isRejected && !section.isDisabled {
    let found = "\(section.kind.rawValue) \"\(section.mid ?? "")\""
    let expected = "\(old.kind.rawValue) \"\(old.mid)\""
    guard found == expected else { throw .mediaChanged(index: old.index, expected: expected, found: found) }
  }
}

/// Packets that two m-lines claim could go to either.
private func checkSSRCs(of media: [NegotiatedMedia]) throws(SDPError) {
  var seen = Set<UInt32>()
  for media in media where media.isSending {
    for ssrc in Set(media.ssrcs + media.retransmissionSSRC.values) {
      guard seen.insert(ssrc).inserted else { throw .duplicateSSRC(ssrc) }
    }
  }
}

extension NegotiatedMedia {
  /// What of a publisher's m-line passes. Without a common codec, `codecs` is empty.
  init(publishing section: MediaDescription, index: Int, offer: SessionDescription, capabilities: Capabilities) {
    let mixed = capabilities.allowsMixedExtensions && (section.allowsMixedExtensions || offer.allowsMixedExtensions)
    let extensions = section.extensionMaps(in: offer).filter { map in
      map.direction.sends && capabilities.publishExtensions.contains(map.uri)
        && (mixed || map.uri != ExtensionURI.dependencyDescriptor)
    }
    let hasTransportWide = extensions.contains { $0.uri == ExtensionURI.transportWideSequence }
    var codecs = capabilities.common(with: section)
    for index in codecs.indices {
      codecs[index].feedback.removeAll { !capabilities.publishFeedback.contains($0) }
      if !hasTransportWide { codecs[index].feedback.removeAll { $0 == "transport-cc" } }
      if codecs[index].hasFeedback("transport-cc") { codecs[index].feedback.removeAll { $0 == "goog-remb" } }
    }
    let sends = section.direction(in: offer).sends
    self.init(
      section, index: index, direction: sends ? .sendonly : .inactive, codecs: codecs, extensions: extensions)
  }
}
