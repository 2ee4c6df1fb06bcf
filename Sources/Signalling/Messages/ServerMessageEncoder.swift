import Foundation
import SFU

extension ServerMessage {
  /// The JSON text of this message (docs/signalling.md).
  public func encoded() -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Encoding strings, integers and finite numbers cannot fail; a client that got nothing would at least see silence.
    return (try? encoder.encode(ServerEnvelope(message: self))).map { [UInt8]($0) } ?? []
  }
}

/// A server message with its `type`.
private struct ServerEnvelope: Encodable {
  let message: ServerMessage

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: FieldName.self)
    func put(_ name: String, _ value: some Encodable) throws { try fields.encode(value, forKey: FieldName(name)) }
    switch message {
    case .joined(let participant, let participants, let iceServers, let resume):
      try put("type", "joined")
      try put("participant", participant)
      try put("participants", participants)
      try put("iceServers", iceServers)
      try put("resume", resume)
    case .answer(let sdp, let tracks):
      try put("type", "answer")
      try put("sdp", sdp)
      try put("tracks", tracks)
    case .offer(let sdp, let tracks):
      try put("type", "offer")
      try put("sdp", sdp)
      try put("tracks", tracks)
    case .participant(let event, let participant):
      try put("type", "participant")
      try put("event", event)
      try put("participant", participant)
    case .track(let event, let participant, let track):
      try put("type", "track")
      try put("event", event)
      try put("participant", participant)
      try put("track", track)
    case .unplayable(let participant, let track, let receiver, let reason):
      try put("type", "track")
      try put("event", "unplayable")
      try put("participant", participant)
      try put("track", track)
      try put("receiver", receiver)
      try put("reason", reason)
    case .quality(let tracks):
      try put("type", "quality")
      try put("tracks", tracks.map(FiniteQuality.init))
    case .speakers(let participants):
      try put("type", "speakers")
      try put("participants", participants)
    case .error(let code, let text, let target):
      try put("type", "error")
      try put("code", code)
      try put("message", text)
      if let target { try put("target", target) }
    }
  }
}

/// JSON has no infinities.
private struct FiniteQuality: Encodable {
  let quality: TrackQuality
  init(_ quality: TrackQuality) {
    var quality = quality
    if !quality.loss.isFinite { quality.loss = 0 }
    if quality.lossAfterRepair?.isFinite == false { quality.lossAfterRepair = nil }
    self.quality = quality
  }
  func encode(to encoder: any Encoder) throws { try quality.encode(to: encoder) }
}
