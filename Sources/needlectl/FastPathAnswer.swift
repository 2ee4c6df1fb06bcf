/// What `GET /fastpath` and `POST /trace` answer, as far as people are shown it.

struct FastPathAnswer: Decodable {
  struct Interface: Decodable {
    var name: String
    var xdpMode: String
    var xskMode: String
    var tcMode: String
    var tcReason: String
    var queues: Int
    var lane: String
    var reason: String
  }
  struct Program: Decodable {
    var name: String
    var id: UInt32
  }
  struct Map: Decodable {
    var name: String
    var used: Int
    var capacity: Int
  }
  struct Verdict: Decodable {
    var name: String
    var count: UInt64
  }
  struct PacketCache: Decodable {
    var sources: Int
    var memory: Int
    var limit: Int
    var shortened: UInt64
  }
  struct Source: Decodable {
    var id: UInt32
    var room: String?
    var name: String?
    var ssrc: UInt32?
    var remote: String?
    var packets: UInt64
    var bytes: UInt64
    var rateLimited: UInt64
    var lastSeenSecondsAgo: Double?
    var lane: String
    var laneReason: String
  }
  struct Sink: Decodable {
    var id: UInt32
    var source: UInt32?
    var room: String?
    var name: String?
    var ssrc: UInt32?
    var remote: String?
    var packets: UInt64
    var bytes: UInt64
    var dropped: UInt64
    var lastSentSecondsAgo: Double?
    var lane: String
    var laneReason: String
  }
  var interfaces: [Interface]
  var programs: [Program]
  var maps: [Map]
  var packetCache: PacketCache
  var verdicts: [Verdict]
  var sources: [Source]
  var sinks: [Sink]
}

struct TraceAnswer: Codable {
  struct Sink: Codable {
    var id: UInt32
    var name: String?
    var remote: String?
    var ssrc: UInt32?
  }
  struct Packet: Codable {
    var time: Double
    var nanoseconds: UInt64
    var number: UInt32
    var interface: String
    var program: String
    var remote: String
    var local: String
    var ssrc: UInt32
    var sequence: UInt16
    var timestamp: UInt32
    var payloadType: UInt8
    var marker: Bool
    var length: Int
    var verdict: String
    var sinkCount: Int
    var sinks: [Sink]
  }
  var next: UInt64
  var packets: [Packet]
}
