/// Which of a participant's two peers a message is about.
public enum PeerRole: String, Hashable, Sendable, Codable { case publish, subscribe }

/// What a client says over the WebSocket. Documented with examples in docs/signalling.md.
public enum ClientMessage: Hashable, Sendable {
  /// First message. `resume` is the secret of an earlier `joined`, whose participant this connection replaces.
  case join(room: String, name: String, resume: String?)
  /// An offer for the publish peer, first or renewed; `sources` says what each m-line is, by mid.
  case publish(sdp: String, sources: [String: TrackLabel])
  /// The answer to the subscribe peer's latest offer.
  case answer(sdp: String)
  /// A trickled candidate line, empty at the end of candidates. We are ICE-lite: checked, then unused.
  case candidate(target: PeerRole, candidate: String)
  /// Which tracks to receive: a list of track ids, or nil for every track; and the greatest quality wanted.
  case subscribe(tracks: [String]?, quality: String?)
  /// Stops or resumes forwarding of one's own track.
  case mute(track: String, muted: Bool)
  /// ICE restart: of the publish peer by a new offer, with `sources` as in `publish`; of the subscribe peer by asking us for
  /// one.
  case restart(target: PeerRole, sdp: String?, sources: [String: TrackLabel] = [:])
  case leave
}

/// What a track shows or carries, as the client labelled it.
public enum TrackLabel: String, Hashable, Sendable, Codable {
  case camera, microphone, screen
  case screenAudio = "screen-audio"
}
