import ArgumentParser
import Foundation

/// Commands that only look.

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "The server at a glance.")
  @OptionGroup var common: CommonOptions

  func run() throws {
    try common.show(try common.client.get("/status"), as: StatusAnswer.self) { status in
      let lanes = Set(status.received.keys).union(status.sent.keys).sorted()
      let flows = lanes.map { lane in
        let received = status.received[lane]
        let sent = status.sent[lane]
        return "\n  \(lane): \(Reading.count(received?.packets ?? 0, "packet")) in "
          + "(\(Reading.bytes(received?.bytes ?? 0))), \(sent?.packets ?? 0) out (\(Reading.bytes(sent?.bytes ?? 0)))"
      }.joined()
      return """
        needletail \(status.version), process \(status.processID), up \(Reading.duration(status.uptimeSeconds))\
        \(status.draining ? ", draining" : "")
        \(status.url), media on UDP port \(status.mediaPort), auth \(status.authentication)
        \(Reading.count(status.rooms, "room")), \(Reading.count(status.participants, "participant")), \
        \(Reading.count(status.sources, "source")), \(Reading.count(status.sinks, "sink"))
        RTP since start:\(flows.isEmpty ? " none" : flows)

        """
    }
  }
}

struct Rooms: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "The rooms.")
  @OptionGroup var common: CommonOptions

  func run() throws {
    try common.show(try common.client.get("/rooms"), as: RoomsAnswer.self) { answer in
      var table = Table("ROOM", "PARTICIPANTS", "SOURCES", "SINKS", "IN", "OUT")
      for room in answer.rooms {
        table.row(
          room.name, "\(room.participants)", "\(room.sources)", "\(room.sinks)", Reading.bitrate(room.bitsPerSecondIn),
          Reading.bitrate(room.bitsPerSecondOut))
      }
      return table.text(empty: "no rooms")
    }
  }
}

struct Participants: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Who is in a room, and how they are connected.")
  @OptionGroup var common: CommonOptions
  @Argument(help: "The room's name.") var room: String

  func run() throws {
    try common.show(try common.client.get("/participants", query: ["room": room]), as: ParticipantsAnswer.self) {
      answer in
      var table = Table("NAME", "ID", "VIA", "SINCE", "PEER", "STATE", "REMOTE", "SRTP", "STREAMS")
      for person in answer.participants {
        let since = Reading.duration(person.joinedSecondsAgo)
        if person.peers.isEmpty { table.row(person.name, person.id, person.via, since, "", "", "", "", "") }
        for peer in person.peers {
          table.row(
            person.name, person.id, person.via, since, peer.role, peer.state, peer.remote ?? "", peer.srtpProfile ?? "",
            "\(peer.sources.count + peer.sinks.count)")
        }
      }
      return table.text(empty: "nobody is in \(room)")
    }
  }
}

struct Streams: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Every stream: codec, bitrate, lane and why that lane; loss before and after repair, and what repaired it.",
    discussion: """
      `in` is what a participant sends, `out` below it each copy of that. LOSS is of the last 10 s, AFTER what was left of it \
      after retransmissions; NACKED, REPAIRED and KEYREQ (key-frame requests) count since the stream began: of `in`, asked of \
      and sent by its publisher; of `out`, asked by and sent to its receiver.
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Only this room.") var room: String?
  @Flag(help: "Show tracks, SSRCs and addresses, too, and whole names.") var wide = false

  func run() throws {
    let query = room.map { ["room": $0] } ?? [:]
    try common.show(try common.client.get("/streams", query: query), as: StreamsAnswer.self) {
      StreamTables.text($0, isWide: wide)
    }
  }
}
