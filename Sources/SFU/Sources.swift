import Forwarding
import RTP
import SDP
import Wire

/// Inbound SSRCs: those that an offer names, those learned from the MID of their packets, and their end.
extension SFU {
  /// Sources for every SSRC that the publish peer's offer names. Its transport is connected.
  mutating func addNamedSources(of peer: TransportID) {
    guard let publication = peers[peer]?.publication, let session = publication.session else { return }
    for media in session.media {
      // One encoding is asked for, so the first SSRC is the track's.
      guard let track = publication.tracks[media.mid], tracks[track]?.source == nil, let ssrc = media.ssrcs.first else {
        continue
      }
      addSource(ssrc, isRetransmission: false, of: track)
      if let retransmission = media.retransmissionSSRC[ssrc] {
        addSource(retransmission, isRetransmission: true, of: track)
      }
    }
  }

  /// An authenticated packet says, by its MID or else its payload type, which track its SSRC belongs to.
  mutating func learned(_ unknown: UnknownSource, on peer: TransportID, now: Instant) {
    guard let id = trackID(of: unknown, on: peer), let track = tracks[id] else { return }
    let isRetransmission =
      unknown.repairedRID != nil || track.retransmissionPayloadTypes.contains(unknown.payloadType)
    commands.append(
      log(.debug, "source learned", describe(peer).merging(["track": id.rawValue, "ssrc": "\(unknown.ssrc)"]) { $1 }))
    if let old = isRetransmission ? track.retransmission : track.source { removeSource(old) }
    addSource(unknown.ssrc, isRetransmission: isRetransmission, of: id)
  }

  private func trackID(of unknown: UnknownSource, on peer: TransportID) -> TrackID? {
    guard let publication = peers[peer]?.publication else { return nil }
    if let mid = unknown.mid { return publication.tracks[mid] }
    let candidates = publication.tracks.values.filter { id in
      guard let track = tracks[id], track.fixedSSRC == nil || track.fixedSSRC == unknown.ssrc else { return false }
      return track.codecs.contains {
        $0.payloadType == unknown.payloadType || $0.retransmissionPayloadType == unknown.payloadType
      }
    }
    return candidates.count == 1 ? candidates.first : nil
  }

  mutating func addSource(_ ssrc: UInt32, isRetransmission: Bool, of id: TrackID) {
    guard let track = tracks[id] else { return }
    let codec = track.codecs.first { $0.name.lowercased() != "red" }
    var source = Source(
      id: SourceID(rawValue: sequencer.next()), transport: track.peer, ssrc: ssrc, kind: track.kind,
      clockRate: UInt32(clamping: codec?.clockRate ?? 90_000), repairs: isRetransmission ? track.source : nil,
      redPayloadType: track.codecs.first { $0.name.lowercased() == "red" }?.payloadType)
    source.rateLimit = participants[track.participant]?.setup?.rateLimit ?? configuration.rateLimit
    sources[source.id] = SourceState(source: source, track: id)
    if isRetransmission { tracks[id]?.retransmission = source.id } else { tracks[id]?.source = source.id }
    commands.append(.fastPath(.addSource(source)))
    // Whoever subscribed before the source was known waits for it.
    markChanged(roomOf: track.participant)
  }

  /// Removes a source and its copies.
  mutating func removeSource(_ id: SourceID) {
    guard let state = sources[id] else { return }
    for sink in state.sinks { removeSink(sink) }
    commands.append(.fastPath(.removeSource(id)))
    sources[id] = nil
    traces[id] = nil
    if tracks[state.track]?.source == id { tracks[state.track]?.source = nil }
    if tracks[state.track]?.retransmission == id { tracks[state.track]?.retransmission = nil }
    if let participant = tracks[state.track]?.participant { markChanged(roomOf: participant) }
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
