import Forwarding
import Foundation
import SFU

/// Bodies of the admin API. The field names are documented in docs/operations.md.

struct AdminOrder: Decodable {
  var room: String?
  var participant: String?
  var track: String?
  var muted: Bool?
  var on: Bool?
}

struct AdminTokenOrder: Decodable {
  var room: String?
  var identity: String?
  var canPublish: Bool?
  var canSubscribe: Bool?
  /// Seconds.
  var ttl: Double?
}

struct AdminDone: Encodable { var done: Bool }

struct AdminToken: Encodable {
  var token: String
  /// Seconds since 1970.
  var expiresAt: Double
}

struct AdminStatus: Encodable {
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
  /// By lane, of those that there was any on.
  var received: [String: MediaTotals.Count]
  var sent: [String: MediaTotals.Count]
  var counters: SFUCounters

  init(server: AdminServerInfo, totals: CallTotals, media: MediaTotals, now: Date) {
    version = server.version
    url = server.url
    mediaPort = server.mediaPort
    authentication = server.authentication
    uptimeSeconds = now.timeIntervalSince(server.startedAt)
    processID = getpid()
    draining = totals.draining
    rooms = totals.rooms
    participants = totals.participants
    sources = totals.sources.values.reduce(0, +)
    sinks = totals.sinks.values.reduce(0, +)
    received = media.received.used
    sent = media.sent.used
    counters = totals.counters
  }
}

extension MediaTotals.ByLane {
  fileprivate var used: [String: MediaTotals.Count] {
    Dictionary(uniqueKeysWithValues: Lane.allCases.filter { self[$0].packets > 0 }.map { ($0.rawValue, self[$0]) })
  }
}

struct AdminRooms: Encodable {
  struct Room: Encodable {
    var name: String
    var participants: Int
    var sources: Int
    var sinks: Int
    var bitsPerSecondIn: Double
    var bitsPerSecondOut: Double
  }

  var rooms: [Room]

  init(_ report: Report) {
    rooms = report.rooms.map { room in
      let peers = room.participants.flatMap(\.peers)
      let sources = peers.flatMap(\.sources)
      let sinks = peers.flatMap(\.sinks)
      return Room(
        name: room.name, participants: room.participants.count, sources: sources.count, sinks: sinks.count,
        bitsPerSecondIn: sources.reduce(0) { $0 + $1.bitsPerSecond },
        bitsPerSecondOut: sinks.reduce(0) { $0 + $1.bitsPerSecond })
    }
  }
}

struct AdminParticipants: Encodable {
  var participants: [ParticipantReport]
  init(_ rooms: [RoomReport]) { participants = rooms.flatMap(\.participants) }
}

/// Every source and sink with whose it is and between which addresses it travels.
struct AdminStreams: Encodable {
  struct Place: Encodable {
    var room: String
    var participant: String
    var name: String
    var peer: String
    var local: String?
    var remote: String?
    var srtpProfile: String?
  }

  /// The fields of the place and of the report, side by side in one object.
  struct Stream<Report: Encodable>: Encodable {
    var place: Place
    var report: Report

    func encode(to encoder: any Encoder) throws {
      try place.encode(to: encoder)
      try report.encode(to: encoder)
    }
  }

  var sources: [Stream<SourceReport>] = []
  var sinks: [Stream<SinkReport>] = []

  init(_ rooms: [RoomReport]) {
    for room in rooms {
      for participant in room.participants {
        for peer in participant.peers {
          let place = Place(
            room: room.name, participant: participant.id, name: participant.name, peer: peer.id, local: peer.local,
            remote: peer.remote, srtpProfile: peer.srtpProfile)
          sources += peer.sources.map { Stream(place: place, report: $0) }
          sinks += peer.sinks.map { Stream(place: place, report: $0) }
        }
      }
    }
  }
}

struct AdminFastPath: Encodable {
  struct Interface: Encodable {
    var name: String
    var index: UInt32
    var xdpMode: String
    var xskMode: String
    var tcMode: String
    var tcReason: String
    var queues: Int
    var lane: String
    var reason: String
  }

  struct Program: Encodable {
    var name: String
    var id: UInt32
  }

  struct Map: Encodable {
    var name: String
    var used: Int
    var capacity: Int
  }

  struct Verdict: Encodable {
    var name: String
    var count: UInt64
  }

  /// What is kept for receivers that miss packets.
  struct PacketCache: Encodable {
    var sources: Int
    /// Octets.
    var memory: Int
    var limit: Int
    var shortened: UInt64
  }

  var interfaces: [Interface]
  var programs: [Program]
  var maps: [Map]
  var packetCache: PacketCache
  var verdicts: [Verdict]
  var sources: [AdminFastPathSource]
  var sinks: [AdminFastPathSink]

  init(_ statistics: FastPathStatistics, _ rooms: [RoomReport]) {
    interfaces = statistics.interfaces.map {
      Interface(
        name: $0.name, index: $0.index, xdpMode: $0.xdpMode, xskMode: $0.xskMode, tcMode: $0.tcMode,
        tcReason: $0.tcReason, queues: $0.queues, lane: $0.lane.rawValue, reason: $0.reason)
    }
    programs = statistics.programs.map { Program(name: $0.name, id: $0.id) }
    maps = statistics.maps.map { Map(name: $0.name, used: $0.used, capacity: $0.capacity) }
    let cache = statistics.packetCache
    packetCache = PacketCache(
      sources: cache.sources, memory: cache.memory, limit: cache.limit, shortened: cache.shortened)
    verdicts = statistics.verdicts.map { Verdict(name: $0.name, count: $0.count) }
    let streams = AdminStreams(rooms)
    sources = AdminFastPathSource.all(statistics, streams)
    sinks = AdminFastPathSink.all(statistics, streams)
  }
}
