/// Answers a player's recvonly offer (draft-ietf-wish-whep): each track goes on the first m-line that fits it, the
/// others are inactive. A track that no m-line of its kind can play is among what is returned, as refused; throws
/// `.unplayable` if that is so of every track of a kind that the player asks for.
public func answer(
  whepOffer offer: SessionDescription, tracks: [OfferedTrack], capabilities: Capabilities,
  local: LocalTransportDescription, previous: NegotiatedSession? = nil
) throws(SDPError) -> (NegotiatedSession, [SubscribedMedia]) {
  let checked = try CheckedOffer(offer, isFirst: previous == nil)
  let transport = try AnsweredTransport(checked, previous: previous)
  var plan = PlayerPlan(checked, capabilities: capabilities)
  plan.place(tracks)
  try plan.checkKinds()
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
  /// What the player takes on each m-line.
  private var choices: [CodecChoice] = []
  /// By place of the m-line: the track, and for each codec of the m-line the publisher's that flows under it.
  private(set) var placed: [Int: (track: OfferedTrack, flowing: [NegotiatedCodec])] = [:]
  /// Tracks for which an m-line of their kind was free, but none with a codec in which they can be played.
  private var unplayable: [OfferedTrack] = []

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
    var identities = CodecIdentities()
    for line in media { choices.append(CodecChoice(line.codecs, &identities)) }
  }

  mutating func place(_ tracks: [OfferedTrack]) {
    for track in tracks {
      let sent = track.mediaCodecs.map(CodecIdentity.init)
      let free = media.indices.filter { placed[$0] == nil && wants(track.kind, on: $0) }
      if let index = free.first(where: { index in sent.contains { choices[index].place(of: $0) != nil } }) {
        put(track, on: index)
      } else if !free.isEmpty {
        unplayable.append(track)
      }
    }
  }

  /// Silence where somebody waits for a picture is the worst answer.
  func checkKinds() throws(SDPError) {
    for track in unplayable where !placed.values.contains(where: { $0.track.kind == track.kind }) {
      let taken = media.indices.filter { wants(track.kind, on: $0) }.flatMap { checked.session.media[$0].codecs }
      throw .unplayable(
        kind: track.kind.rawValue, published: track.mediaCodecs.mediaNames, taken: taken.mediaNames)
    }
  }

  private func wants(_ kind: MediaDescription.Kind, on index: Int) -> Bool {
    checked.usable.contains(index) && media[index].kind == kind
      && checked.session.media[index].direction(in: checked.session).receives
  }

  /// The m-line's codecs under which the track's come, each with the first of the track's that does.
  private func common(_ track: OfferedTrack, _ index: Int) -> [(codec: NegotiatedCodec, flowing: NegotiatedCodec)] {
    var flowing: [Int: NegotiatedCodec] = [:]
    for codec in track.codecs {
      if let place = choices[index].place(of: CodecIdentity(codec)), flowing[place] == nil { flowing[place] = codec }
    }
    return flowing.sorted { $0.key < $1.key }.map { (media[index].codecs[$0.key], $0.value) }
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
          trackID: sent.track.trackID, mid: media.mid, codecs: media.codecs, extensions: media.extensions)
      }
    }
      + unplayable.map { SubscribedMedia(trackID: $0.trackID, mid: "", refusal: .codecs, codecs: [], extensions: [:]) }
  }
}
