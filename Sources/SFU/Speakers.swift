import Forwarding
import RTP

/// Who speaks, by the levels that publishers send along with their audio (RFC 6464).
extension SFU {
  /// Tells everyone in a room who speaks, when those are others than a second ago.
  mutating func followSpeakers(of room: Room) {
    let speakers = room.participants
      .map { (id: $0, loudness: loudness(of: $0)) }
      .filter { $0.loudness >= (room.speakers.contains($0.id) ? SpeechLevel.goesOn : SpeechLevel.begins).power }
      .sorted { $0.loudness > $1.loudness }
      .map(\.id)
    guard Set(speakers) != Set(room.speakers) else { return }
    rooms[room.name]?.speakers = speakers
    for connection in room.participants.compactMap({ participants[$0]?.connection }) {
      commands.append(.message(connection, .speakers(speakers.map(\.rawValue))))
    }
  }

  /// Tells a newcomer, if somebody speaks. Who has left since everyone was told stays in the list until all hear of the next.
  mutating func tellSpeakers(to connection: ConnectionID, in room: String) {
    let speakers = (rooms[room]?.speakers ?? []).filter { participants[$0] != nil }
    guard !speakers.isEmpty else { return }
    commands.append(.message(connection, .speakers(speakers.map(\.rawValue))))
  }

  /// The mean power of the loudest track that is heard by others; the sound of a shared screen is nobody's speech.
  private func loudness(of id: ParticipantID) -> UInt64 {
    let voices = (participants[id]?.tracks ?? []).compactMap { tracks[$0] }
      .filter { $0.kind == .audio && !$0.isMuted && $0.label != .screenAudio }
    return voices.compactMap { $0.source.flatMap { sources[$0] }?.meanPower }.max() ?? 0
  }
}

/// Means over a second of somebody who speaks are some −35 to −15 dBov, of a quiet room below −60. That it takes less to go
/// on than to begin bridges short pauses.
private enum SpeechLevel {
  static let begins = AudioLevel(attenuation: 40)
  static let goesOn = AudioLevel(attenuation: 50)
}

extension SourceState {
  /// Of the audio of the last interval (`AudioLevel.power`); 0 if there was none.
  fileprivate var meanPower: UInt64 {
    let levels = statistics.audioLevels &- previous.audioLevels
    return levels > 0 ? (statistics.audioPower &- previous.audioPower) / levels : 0
  }
}
