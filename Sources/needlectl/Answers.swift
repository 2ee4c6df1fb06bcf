/// The admin API's answers, as far as the tables show them (docs/operations.md has all fields).

struct StatusAnswer: Decodable {
  struct Flow: Decodable {
    var packets: UInt64
    var bytes: UInt64
  }

  var version: String
  var url: String
  var mediaPort: Int
  var authentication: String
  var uptimeSeconds: Double
  var processID: Int32
  var draining: Bool
  var rooms: Int
  var participants: Int
  var sources: Int
  var sinks: Int
  var received: [String: Flow]
  var sent: [String: Flow]
}

struct RoomsAnswer: Decodable {
  struct Room: Decodable {
    var name: String
    var participants: Int
    var sources: Int
    var sinks: Int
    var bitsPerSecondIn: Double
    var bitsPerSecondOut: Double
  }
  var rooms: [Room]
}

struct ParticipantsAnswer: Decodable {
  struct Participant: Decodable {
    var id: String
    var name: String
    var via: String
    var joinedSecondsAgo: Double
    var peers: [Peer]
  }
  struct Peer: Decodable {
    struct Stream: Decodable {}
    var role: String
    var state: String
    var remote: String?
    var srtpProfile: String?
    var sources: [Stream]
    var sinks: [Stream]
  }
  var participants: [Participant]
}

package struct StreamsAnswer: Decodable {
  struct Source: Decodable {
    var room: String
    var name: String
    var local: String?
    var remote: String?
    var id: UInt32
    var track: String
    var kind: String
    var label: String?
    var codec: String
    var ssrc: UInt32
    var isRetransmission: Bool
    var muted: Bool
    var packets: UInt64
    var bitsPerSecond: Double
    var lossBeforeRepair: Double?
    var lossAfterRepair: Double?
    var jitterMilliseconds: Double?
    var roundTripMilliseconds: Double?
    var packetsRequested: UInt64
    var packetsRepaired: UInt64
    var packetsGivenUp: UInt64
    var repairMilliseconds: Double?
    var keyFrameRequests: UInt64
    var silentSeconds: Double?
    var lane: String
    var laneReason: String
  }
  struct Sink: Decodable {
    var room: String
    var name: String
    var local: String?
    var remote: String?
    var id: UInt32
    var source: UInt32
    var track: String
    var kind: String
    var codec: String
    var ssrc: UInt32
    var packets: UInt64
    var bitsPerSecond: Double
    var lossBeforeRepair: Double?
    var lossAfterRepair: Double?
    var reportedJitterMilliseconds: Double
    var roundTripMilliseconds: Double?
    var packetsNacked: UInt64
    var packetsRetransmitted: UInt64
    var repairMilliseconds: Double?
    var repairsDenied: [String: UInt64]
    var keyFrameRequests: UInt64
    var lane: String
    var laneReason: String
  }
  var sources: [Source]
  var sinks: [Sink]
}

struct TokenAnswer: Decodable {
  var token: String
  var expiresAt: Double
}

struct RTPAnswer: Decodable {
  struct Format: Decodable {
    var codec: String
    var payloadType: Int
    var ssrc: UInt32?
    var remote: String
    var rtcp: String
  }
  struct Participant: Decodable {
    var room: String
    var name: String
    var direction: String
    var formats: [Format]
    var local: String?
    var packetsSent: UInt64
    var packetsReceived: UInt64
  }
  var participants: [Participant]
}

struct DescriptionAnswer: Decodable { var sdp: String }
