/// Answers a player's recvonly offer (draft-ietf-wish-whep): each track goes on the first m-line that fits it, the
/// others are inactive. Throws `.noCommonCodec` if tracks were refused for their codecs alone and none could be sent.
public func answer(
  whepOffer offer: SessionDescription, tracks: [OfferedTrack], capabilities: Capabilities,
  local: LocalTransportDescription, previous: NegotiatedSession? = nil
) throws(SDPError) -> (NegotiatedSession, [SubscribedMedia]) {
  let checked = try CheckedOffer(offer, isFirst: previous == nil)
  let transport = try AnsweredTransport(checked, previous: previous)
  var plan = PlayerPlan(checked, capabilities: capabilities)
  plan.place(tracks)
  if plan.placed.isEmpty, plan.hadNoCodec { throw .noCommonCodec }
  if !checked.usable.isEmpty, plan.media.allSatisfy(\.isRejected) { throw .noCommonCodec }
  let writer = AnswerWriter(checked: checked, capabilities: capabilities, local: local, setup: transport.setup)
  let contents = plan.media.map { media -> MediaWriter.Content? in
    guard !media.isRejected else { return nil }
    guard let sent = plan.placed[media.index] else { return writer.content(of: media, sending: nil, answers: []) }
    return writer.content(of: media, sending: sent.track, answers: sent.flowing)
  }
  let session = NegotiatedSession(
    answer: writer.answer(contents, previous: previous), remote: transport.remote, media: plan.media,
    iceRestart: previous.map { !$0.remote.hasSameCredentials(as: transport.remote) } ?? false,
    localSetup: transport.setup)
  return (session, plan.subscribed)
}

/// Which track goes on which m-line of a player's offer.
private struct PlayerPlan {
  private let checked: CheckedOffer
  private let capabilities: Capabilities
  private(set) var media: [NegotiatedMedia]
  /// By place of the m-line: the track, and for each codec of the m-line the publisher's that flows under it.
  private(set) var placed: [Int: (track: OfferedTrack, flowing: [NegotiatedCodec])] = [:]
  /// Whether an m-line of the right kind was free, but shared no codec with a track.
  private(set) var hadNoCodec = false

  init(_ checked: CheckedOffer, capabilities: Capabilities) {
    self.checked = checked
    self.capabilities = capabilities
    media = checked.session.media.enumerated().map { index, section in
      guard checked.usable.contains(index) else { return NegotiatedMedia(rejecting: section, index: index) }
      let codecs = capabilities.common(with: section)
      guard !codecs.isEmpty else { return NegotiatedMedia(rejecting: section, index: index) }
      let extensions = section.extensionMaps(in: checked.session).filter { $0.uri == ExtensionURI.mid }
      return NegotiatedMedia(section, index: index, direction: .inactive, codecs: codecs, extensions: extensions)
    }
    for index in media.indices {
      for codec in media[index].codecs.indices { media[index].codecs[codec].feedback = [] }
    }
  }

  mutating func place(_ tracks: [OfferedTrack]) {
    for track in tracks {
      let free = media.indices.filter { index in
        placed[index] == nil && !media[index].isRejected && media[index].kind == track.kind
          && checked.session.media[index].direction(in: checked.session).receives
      }
      if let index = free.first(where: { !common(track, $0).allSatisfy(\.codec.isRED) }) {
        put(track, on: index)
      } else if !free.isEmpty {
        hadNoCodec = true
      }
    }
  }

  /// The m-line's codecs that the track has, each with the track's.
  private func common(_ track: OfferedTrack, _ index: Int) -> [(codec: NegotiatedCodec, flowing: NegotiatedCodec)] {
    var flowing: [CodecIdentity: NegotiatedCodec] = [:]
    for codec in track.codecs {
      if let identity = codec.identity, flowing[identity] == nil { flowing[identity] = codec }
    }
    return media[index].codecs.compactMap { codec in
      codec.identity.flatMap { flowing[$0] }.map { (codec, $0) }
    }
  }

  private mutating func put(_ track: OfferedTrack, on index: Int) {
    let section = checked.session.media[index]
    let offered = section.feedback
    let common = common(track, index)
    media[index].codecs = common.map { codec, _ in
      var codec = codec
      if track.retransmissionSSRC == nil { codec.retransmissionPayloadType = nil }
      codec.feedback = capabilities.subscriberFeedback(
        on: track.kind, hasRetransmissions: codec.retransmissionPayloadType != nil
      ).filter { offered[codec.payloadType]?.contains($0) == true }
      return codec
    }
    let mixed =
      capabilities.allowsMixedExtensions && (section.allowsMixedExtensions || checked.session.allowsMixedExtensions)
    for map in section.extensionMaps(in: checked.session) where map.direction.receives {
      let passes = capabilities.subscribeExtensions.contains(map.uri) && track.extensions.contains(map.uri)
      guard passes, mixed || map.uri != ExtensionURI.dependencyDescriptor else { continue }
      media[index].extensions[map.uri] = UInt8(truncatingIfNeeded: map.id)
    }
    media[index].direction = .recvonly
    placed[index] = (track, common.map(\.flowing))
  }

  var subscribed: [SubscribedMedia] {
    media.compactMap { media in
      placed[media.index].map { sent in
        SubscribedMedia(
          trackID: sent.track.trackID, mid: media.mid, isRejected: false, codecs: media.codecs,
          extensions: media.extensions)
      }
    }
  }
}
