import Forwarding
import RTP
import SDP
import Wire

/// Inbound SSRCs: those that an offer names, those learned from the MID of their packets, and their end.
extension SFU {
  /// Sources for every SSRC that the publish peer's offer names. Its transport is connected.
  mutating func addNamedSources(of peer: TransportID, now: Instant) {
    guard let publication = peers[peer]?.publication, let session = publication.session else { return }
    // One encoding is asked for, so the first SSRC is the track's.
    let changed = session.media.compactMap { media -> (NegotiatedMedia, TrackID, UInt32)? in
      guard let track = publication.tracks[media.mid], let ssrc = media.ssrcs.first else { return nil }
      let current = tracks[track]?.source.flatMap { sources[$0]?.source.ssrc }
      return current.map(media.ssrcs.contains) == true ? nil : (media, track, ssrc)
    }
    // All that ends first: an SSRC may have moved from one m-line to another.
    for (_, track, _) in changed { removeSources(of: track) }
    for (media, track, ssrc) in changed {
      addSource(ssrc, isRetransmission: false, of: track, now: now)
      if let retransmission = media.retransmissionSSRC[ssrc] {
        addSource(retransmission, isRetransmission: true, of: track, now: now)
      }
    }
  }

  /// An authenticated packet says, by its MID or else its payload type, which track its SSRC belongs to.
  ///
  /// A publisher may send several encodings at once where we have asked for one: the first is forwarded for as long as it
  /// is heard, and the others are left out.
  mutating func learned(_ unknown: UnknownSource, on peer: TransportID, now: Instant) {
    guard let id = trackID(of: unknown, on: peer), let track = tracks[id] else { return }
    let isRetransmission =
      unknown.repairedRID != nil || track.retransmissionPayloadTypes.contains(unknown.payloadType)
    if isRetransmission, !repairs(unknown.ssrc, track) { return }
    let learnedAt = isRetransmission ? \Track.retransmissionLearnedAt : \Track.sourceLearnedAt
    if let last = track[keyPath: learnedAt], now.since(last) < Self.learningSpacing { return }
    let current = isRetransmission ? track.retransmission : track.source
    if let heard = current.flatMap({ sources[$0] }), !heard.isSilent(now: now) { return }
    if isRetransmission { current.map { removeSource($0) } } else { removeSources(of: id) }
    commands.append(
      log(.debug, "source learned", describe(peer).merging(["track": id.rawValue, "ssrc": "\(unknown.ssrc)"]) { $1 }))
    tracks[id]?[keyPath: learnedAt] = now
    addSource(unknown.ssrc, isRetransmission: isRetransmission, of: id, now: now)
  }

  /// Every source that begins is work for the whole room, and a publisher may end them by BYE as often as it likes. The
  /// worker tells of an SSRC again for as long as it is nobody's.
  private static let learningSpacing = Interval.seconds(1)

  /// Whether retransmissions under `ssrc` are of the track's source, as far as the offer says what they are of.
  private func repairs(_ ssrc: UInt32, _ track: Track) -> Bool {
    let media = peers[track.peer]?.publication?.session?.media.first { $0.mid == track.mid }
    guard let repaired = media?.retransmissionSSRC.first(where: { $0.value == ssrc })?.key else { return true }
    return track.source.flatMap { sources[$0]?.source.ssrc } == repaired
  }

  private func trackID(of unknown: UnknownSource, on peer: TransportID) -> TrackID? {
    guard let publication = peers[peer]?.publication else { return nil }
    if let mid = unknown.mid { return publication.tracks[mid] }
    if let media = publication.session?.media.first(where: { $0.names(unknown.ssrc) }) {
      return publication.tracks[media.mid]
    }
    let candidates = publication.tracks.values.filter { id in
      guard let track = tracks[id], track.fixedSSRC == nil || track.fixedSSRC == unknown.ssrc else { return false }
      return track.codecs.contains {
        $0.payloadType == unknown.payloadType || $0.retransmissionPayloadType == unknown.payloadType
      }
    }
    return candidates.count == 1 ? candidates.first : nil
  }

  mutating func addSource(_ ssrc: UInt32, isRetransmission: Bool, of id: TrackID, now: Instant) {
    guard let track = tracks[id] else { return }
    var source = Source(
      id: SourceID(rawValue: sequencer.next()), transport: track.peer, ssrc: ssrc, kind: track.kind,
      clockRate: UInt32(clamping: track.mainCodec?.clockRate ?? 90_000), repairs: isRetransmission ? track.source : nil,
      redPayloadType: track.codecs.first { $0.name.lowercased() == "red" }?.payloadType)
    source.rateLimit = participants[track.participant]?.setup?.rateLimit ?? configuration.rateLimit
    sources[source.id] = SourceState(source: source, track: track, addedAt: now)
    if isRetransmission { tracks[id]?.retransmission = source.id } else { tracks[id]?.source = source.id }
    commands.append(.fastPath(.addSource(source)))
    // Whoever subscribed before the source was known waits for it.
    markChanged(roomOf: track.participant)
  }

  /// Removes a source and its copies, and with a track's source its retransmissions: another has others.
  mutating func removeSource(_ id: SourceID) {
    guard let state = sources[id] else { return }
    for sink in state.sinks { removeSink(sink) }
    commands.append(.fastPath(.removeSource(id)))
    sources[id] = nil
    traces[id] = nil
    if let participant = tracks[state.track]?.participant { markChanged(roomOf: participant) }
    if tracks[state.track]?.retransmission == id { tracks[state.track]?.retransmission = nil }
    guard tracks[state.track]?.source == id else { return }
    tracks[state.track]?.source = nil
    if let retransmission = tracks[state.track]?.retransmission { removeSource(retransmission) }
  }

  /// Removes a track's source and its retransmissions.
  mutating func removeSources(of id: TrackID) {
    if let source = tracks[id]?.source { removeSource(source) }
    // Retransmissions may have been heard before what they repair.
    if let retransmission = tracks[id]?.retransmission { removeSource(retransmission) }
  }

  /// The source that an SSRC of a publish peer names.
  func source(_ ssrc: UInt32, of peer: TransportID) -> SourceID? {
    guard let publication = peers[peer]?.publication else { return nil }
    for track in publication.tracks.values.compactMap({ tracks[$0] }) {
      for id in [track.source, track.retransmission].compactMap({ $0 }) where sources[id]?.source.ssrc == ssrc {
        return id
      }
    }
    return nil
  }
}

extension SourceState {
  /// Counters are up to a second old: who has been silent for less may not be.
  private static let silence = Interval.seconds(2)

  /// Whether nothing has come under its SSRC lately.
  func isSilent(now: Instant) -> Bool { now.since(max(addedAt, statistics.lastArrival)) >= Self.silence }
}

extension NegotiatedMedia {
  /// Whether the offer gives `ssrc` to this m-line.
  fileprivate func names(_ ssrc: UInt32) -> Bool {
    ssrcs.contains(ssrc) || retransmissionSSRC.values.contains(ssrc)
  }
}
