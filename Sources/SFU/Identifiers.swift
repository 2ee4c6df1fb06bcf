/// Random names that cannot be guessed: participant and track ids (72 bits), resource ids and resume secrets (132 bits).
enum Identifier {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  static func random(length: Int) -> String {
    String(decoding: (0..<length).map { _ in alphabet[Int.random(in: 0..<64)] }, as: UTF8.self)
  }

  static func participant() -> ParticipantID { ParticipantID(rawValue: "P" + random(length: 12)) }
  static func track() -> TrackID { TrackID(rawValue: "T" + random(length: 12)) }
  static func secret() -> String { random(length: 22) }
}

struct ParticipantID: Hashable, Sendable { let rawValue: String }
struct TrackID: Hashable, Sendable { let rawValue: String }

/// Hands out numbers that are never used twice: transports, sources and sinks of one SFU.
struct Sequencer {
  private var last: UInt32 = 0

  mutating func next() -> UInt32 {
    last &+= 1
    return last
  }
}
