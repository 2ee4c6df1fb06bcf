import SDP

/// Any text: parse, write, answer as publisher and as player, offer its codecs back, read it as a fragment.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let text = String(decoding: UnsafeBufferPointer(start: data, count: size), as: UTF8.self)
  if let fragment = try? SDPFragment.parse(text) { precondition((try? .parse(fragment.serialized())) == fragment) }
  guard let offer = try? SessionDescription.parse(text) else { return 0 }
  precondition((try? SessionDescription.parse(offer.serialized())) == offer)
  let local = LocalTransportDescription(
    iceUfrag: "abcd", icePwd: "abcdefghijklmnopqrstuv", fingerprint: Fingerprint(algorithm: "sha-256", value: "00"),
    candidates: [])
  let tracks = offer.media.enumerated().map { index, media in
    OfferedTrack(
      trackID: "\(index)", streamID: "s", kind: media.kind, codecs: media.codecs,
      extensions: media.extensionMaps(in: offer).map(\.uri), ssrc: 1, retransmissionSSRC: 2, cname: "c")
  }
  if let first = try? negotiate(offer: offer, capabilities: .standard, local: local, previous: nil) {
    precondition((try? SessionDescription.parse(first.answer.serialized())) == first.answer)
    _ = try? negotiate(offer: offer, capabilities: .standard, local: local, previous: first)
  }
  // No participant has more tracks.
  let few = Array(tracks.prefix(16))
  if let (player, _) = try? answer(whepOffer: offer, tracks: few, capabilities: .standard, local: local) {
    precondition((try? SessionDescription.parse(player.answer.serialized())) == player.answer)
  }
  var session = SubscribeSession()
  let ours = session.offer(tracks: tracks, local: local)
  precondition((try? SessionDescription.parse(ours.serialized())) == ours)
  _ = try? session.accept(answer: offer)
  return 0
}
