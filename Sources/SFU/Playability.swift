import Forwarding
import SDP
import Wire

/// Tracks that a receiver cannot play, which would otherwise be a black picture that nobody explains: its answer has none
/// of their codecs, or the publisher sends in one that it has not. Both sides are told, each time once, and operators see
/// it beside the stream.
extension SFU {
  /// After an answer: tells of what it has no codec for.
  mutating func tellUnplayable(to peer: TransportID, now: Instant) {
    guard var subscriber = peers[peer]?.subscriber else { return }
    var refused: [Subscription] = []
    for index in subscriber.subscriptions.indices {
      let isRefused = subscriber.subscriptions[index].accepted?.refusal == .codecs
      if isRefused, !subscriber.subscriptions[index].isUnplayable { refused.append(subscriber.subscriptions[index]) }
      subscriber.subscriptions[index].isUnplayable = isRefused
    }
    peers[peer]?.subscriber = subscriber
    for subscription in refused { tellUnplayable(subscription, on: peer) }
  }

  /// After packets have come: tells of a copy whose receiver has not the codec that is sent.
  mutating func checkPlayability(of id: SinkID) {
    guard let state = sinks[id], state.sink.repairs == nil, let peer = peers[state.sink.transport]?.id,
      var subscriber = peers[peer]?.subscriber,
      let index = subscriber.subscriptions.firstIndex(where: { $0.sink == id })
    else { return }
    let isUnplayable = !isPlayable(state)
    guard subscriber.subscriptions[index].isUnplayable != isUnplayable else { return }
    subscriber.subscriptions[index].isUnplayable = isUnplayable
    peers[peer]?.subscriber = subscriber
    if isUnplayable { tellUnplayable(subscriber.subscriptions[index], on: peer) }
  }

  private func isPlayable(_ state: SinkState) -> Bool {
    guard let flowing = sources[state.sink.source]?.flowingPayloadType else { return true }
    return state.sink.payloadTypes[flowing] != nil
  }

  private mutating func tellUnplayable(_ subscription: Subscription, on peer: TransportID) {
    guard let track = tracks[subscription.track], let receiver = peers[peer]?.participant else { return }
    let reason = reasonUnplayable(track, subscription)
    commands.append(log(.info, "track cannot be played", describe(peer).merging(["reason": reason]) { $1 }))
    for participant in [receiver, track.participant] {
      guard let connection = participants[participant]?.connection else { continue }
      commands.append(
        .message(
          connection,
          .unplayable(
            participant: track.participant.rawValue, track: track.info, receiver: receiver.rawValue, reason: reason)))
    }
  }

  /// Why a receiver does not see or hear a track that it is subscribed to, for people.
  func reasonUnplayable(_ track: Track, _ subscription: Subscription) -> String {
    let sent = flowingCodecs(of: track)
    let taken = subscription.accepted?.codecs.mediaNames ?? []
    let receiver =
      taken.isEmpty ? "the receiver takes none of that" : "the receiver takes \(taken.joined(separator: ", "))"
    return
      "the \(track.kind.rawValue) cannot be played: it is sent in \(sent.mediaNames.joined(separator: ", ")), and \(receiver)"
  }

  /// The codec that the publisher sends in now, as far as it is known, else all that it may.
  private func flowingCodecs(of track: Track) -> [NegotiatedCodec] {
    let flowing = flowingPayloadType(of: track)
    let codecs = track.codecs.filter { $0.payloadType == flowing }
    return codecs.isEmpty ? track.codecs : codecs
  }

  /// nil before the first packets.
  func flowingPayloadType(of track: Track) -> UInt8? {
    track.source.flatMap { sources[$0]?.flowingPayloadType }
  }
}
