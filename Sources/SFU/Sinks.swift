import Forwarding
import RTP
import SDP
import Wire

/// Outbound copies: each accepted subscription of a connected subscribe peer gets its sinks as soon as its source is known.
extension SFU {
  /// Adds the sinks that the peer should have and has not yet.
  mutating func reconcile(_ peer: TransportID, now: Instant) {
    guard let session = peers[peer], session.isConnected, let subscriber = session.subscriber else { return }
    for subscription in subscriber.subscriptions {
      guard let accepted = subscription.accepted, !accepted.isRejected, let track = tracks[subscription.track] else {
        continue
      }
      if subscription.sink == nil { addSink(of: track, subscription, accepted, to: peer, now: now) }
    }
  }

  private mutating func addSink(
    of track: Track, _ subscription: Subscription, _ accepted: SubscribedMedia, to peer: TransportID, now: Instant
  ) {
    let payloadTypes = payloadTypeMap(from: track.codecs, to: accepted.codecs)
    guard let source = track.source, !payloadTypes.isEmpty else { return }
    let sink = Sink(
      id: SinkID(rawValue: sequencer.next()), source: source, transport: peer, ssrc: subscription.ssrc,
      payloadTypes: payloadTypes, extensions: extensions(from: track, to: accepted), mid: mid(of: accepted),
      sequenceOffset: subscription.sequenceOffset, timestampOffset: subscription.timestampOffset,
      retransmission: subscription.retransmissionSSRC.flatMap { accepted.retransmission(ssrc: $0) },
      isPaused: track.isMuted)
    install(sink, of: track.id, on: peer) {
      $0.sink = sink.id
      $0.source = source
    }
    requestKeyFrame(of: source, now: now)
  }

  private mutating func install(
    _ sink: Sink, of track: TrackID, on peer: TransportID, note: (inout Subscription) -> Void
  ) {
    sinks[sink.id] = SinkState(sink: sink, track: track)
    sources[sink.source]?.sinks.insert(sink.id)
    peers[peer]?.subscriber?.sinkBySSRC[sink.ssrc] = sink.id
    if let retransmission = sink.retransmission {
      peers[peer]?.subscriber?.sinkByRetransmissionSSRC[retransmission.ssrc] = sink.id
    }
    if var subscriber = peers[peer]?.subscriber,
      let index = subscriber.subscriptions.firstIndex(where: { $0.track == track })
    {
      note(&subscriber.subscriptions[index])
      peers[peer]?.subscriber = subscriber
    }
    commands.append(.fastPath(.addSink(sink)))
  }

  /// Ends a copy; its receiver is told by BYE (RFC 3550 section 6.6).
  mutating func removeSink(_ id: SinkID) {
    guard let sink = sinks[id]?.sink else { return }
    send([.bye(BYE(ssrcs: [sink.ssrc] + (sink.retransmission.map { [$0.ssrc] } ?? [])))], to: sink.transport)
    withdrawSink(id)
  }

  /// Ends a copy that its receiver does not take any more as it is.
  mutating func withdrawSink(_ id: SinkID) {
    guard let sink = sinks[id]?.sink else { return }
    commands.append(.fastPath(.removeSink(id)))
    peers[sink.transport]?.subscriber?.forget(sink)
    forgetSink(id)
  }

  /// Forgets a copy whose transport goes as a whole.
  mutating func forgetSink(_ id: SinkID) {
    guard let sink = sinks.removeValue(forKey: id)?.sink else { return }
    sources[sink.source]?.sinks.remove(id)
  }

  private func extensions(from track: Track, to accepted: SubscribedMedia) -> [UInt8: UInt8] {
    var table: [UInt8: UInt8] = [:]
    for (uri, id) in track.extensions where uri != HeaderExtension.mid { table[id] = accepted.extensions[uri] }
    return table
  }

  private func mid(of accepted: SubscribedMedia) -> (id: UInt8, value: [UInt8])? {
    accepted.mid.isEmpty ? nil : accepted.extensions[HeaderExtension.mid].map { ($0, Array(accepted.mid.utf8)) }
  }
}

extension SubscribedMedia {
  /// The stream in which its receiver takes again what it misses; nil if it takes none.
  fileprivate func retransmission(ssrc: UInt32) -> RetransmissionStream? {
    var payloadTypes: [UInt8: UInt8] = [:]
    for codec in codecs { payloadTypes[codec.payloadType] = codec.retransmissionPayloadType }
    return payloadTypes.isEmpty ? nil : RetransmissionStream(ssrc: ssrc, payloadTypes: payloadTypes)
  }
}

extension Subscriber {
  fileprivate mutating func forget(_ sink: Sink) {
    sinkBySSRC[sink.ssrc] = nil
    if let retransmission = sink.retransmission { sinkByRetransmissionSSRC[retransmission.ssrc] = nil }
    for index in subscriptions.indices {
      if subscriptions[index].sink == sink.id { subscriptions[index].sink = nil }
    }
  }
}
