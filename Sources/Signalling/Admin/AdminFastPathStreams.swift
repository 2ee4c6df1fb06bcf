import Forwarding
import SFU
import Wire

/// A source as the fast path counts it, and whose it is.
struct AdminFastPathSource: Encodable {
  var id: UInt32
  var room: String?
  var name: String?
  var ssrc: UInt32?
  var remote: String?
  var local: String?
  var packets: UInt64
  var bytes: UInt64
  var packetsOnKernel: UInt64
  var packetsOnXSK: UInt64
  var packetsOnSocket: UInt64
  var rateLimited: UInt64
  /// Since the latest packet, when this was counted; nil before the first.
  var lastSeenSecondsAgo: Double?
  var lane: String
  var laneReason: String

  static func all(_ statistics: FastPathStatistics, _ streams: AdminStreams) -> [AdminFastPathSource] {
    let known = Dictionary(streams.sources.map { ($0.report.id, $0) }) { first, _ in first }
    return statistics.sources.sorted { $0.id.rawValue < $1.id.rawValue }.map { counted in
      let stream = known[counted.id.rawValue]
      return AdminFastPathSource(
        id: counted.id.rawValue, room: stream?.place.room, name: stream?.place.name, ssrc: stream?.report.ssrc,
        remote: stream?.place.remote, local: stream?.place.local, packets: counted.packets, bytes: counted.bytes,
        packetsOnKernel: counted.packetsOnKernel, packetsOnXSK: counted.packetsOnXSK,
        packetsOnSocket: counted.packetsOnSocket, rateLimited: counted.rateLimited,
        lastSeenSecondsAgo: counted.packets > 0 ? statistics.at.since(counted.lastArrival).seconds : nil,
        lane: counted.lane.rawValue, laneReason: counted.laneReason)
    }
  }
}

/// A sink as the fast path counts it, and whose it is.
struct AdminFastPathSink: Encodable {
  var id: UInt32
  var source: UInt32?
  var room: String?
  var name: String?
  var ssrc: UInt32?
  var remote: String?
  var local: String?
  var packets: UInt64
  var bytes: UInt64
  var packetsOnKernel: UInt64
  var packetsOnXSK: UInt64
  var packetsOnSocket: UInt64
  var dropped: UInt64
  /// Since the latest copy, when this was counted; nil before the first.
  var lastSentSecondsAgo: Double?
  var lane: String
  var laneReason: String

  static func all(_ statistics: FastPathStatistics, _ streams: AdminStreams) -> [AdminFastPathSink] {
    let known = Dictionary(streams.sinks.map { ($0.report.id, $0) }) { first, _ in first }
    return statistics.sinks.sorted { $0.id.rawValue < $1.id.rawValue }.map { counted in
      let stream = known[counted.id.rawValue]
      return AdminFastPathSink(
        id: counted.id.rawValue, source: stream?.report.source, room: stream?.place.room, name: stream?.place.name,
        ssrc: stream?.report.ssrc, remote: stream?.place.remote, local: stream?.place.local, packets: counted.packets,
        bytes: counted.bytes, packetsOnKernel: counted.packetsOnKernel, packetsOnXSK: counted.packetsOnXSK,
        packetsOnSocket: counted.packetsOnSocket, dropped: counted.dropped,
        lastSentSecondsAgo: counted.lastSent.map { statistics.at.since($0).seconds }, lane: counted.lane.rawValue,
        laneReason: counted.laneReason)
    }
  }
}
