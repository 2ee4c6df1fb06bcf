import SFU

/// Bodies of the admin API about clear RTP. What `POST /rtp` takes is `RTPParticipantForm`.

struct AdminRTPOrder: Decodable {
  var room: String?
  var name: String?
}

struct AdminDescription: Encodable { var sdp: String }

/// The clear-RTP participants: how each was set up, and what flows.
struct AdminRTPParticipants: Encodable {
  struct Participant: Encodable {
    var room: String
    var name: String
    var id: String
    var direction: String
    var from: String?
    var formats: [RTPReport.Format]
    /// The address of ours that it talks to.
    var local: String?
    /// Packets since it was added, in either direction as the participant sees it.
    var packetsSent: UInt64
    var packetsReceived: UInt64
  }

  var participants: [Participant]

  init(_ rooms: [RoomReport]) {
    participants = rooms.flatMap { room in
      room.participants.compactMap { participant in
        guard let setup = participant.rtp else { return nil }
        return Participant(
          room: room.name, name: participant.name, id: participant.id, direction: setup.direction, from: setup.from,
          formats: setup.formats, local: participant.peers.first?.local,
          packetsSent: participant.peers.flatMap(\.sources).reduce(0) { $0 &+ $1.packets },
          packetsReceived: participant.peers.flatMap(\.sinks).reduce(0) { $0 &+ $1.packets })
      }
    }
  }
}
