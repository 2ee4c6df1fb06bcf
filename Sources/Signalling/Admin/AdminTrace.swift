import Forwarding
import Foundation
import SFU
import Wire

/// The body of `POST /trace`.
struct AdminTraceOrder: Decodable {
  /// The source's id.
  var source: UInt32?
  var every: UInt32?
  /// `next` of the answer before.
  var after: UInt64?
}

/// What was traced of a source since the request before.
struct AdminTrace: Encodable {
  struct Sink: Encodable {
    var id: UInt32
    var name: String?
    var remote: String?
    var ssrc: UInt32?
  }

  struct Packet: Encodable {
    /// Seconds since 1970.
    var time: Double
    /// CLOCK_MONOTONIC.
    var nanoseconds: UInt64
    /// Among the source's packets since the trace began: gaps show what is missing.
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
    /// The first of them.
    var sinks: [Sink]
  }

  var source: UInt32
  var next: UInt64
  var missed: UInt64
  var overrun: UInt64
  var packets: [Packet]

  init(_ report: TraceReport, now: Date) {
    source = report.source
    next = report.next
    missed = report.missed
    overrun = report.overrun
    packets = report.packets.map { packet in
      let sinks = packet.sinks.map { id in
        let sink = report.sinks[id]
        return Sink(id: id.rawValue, name: sink?.name, remote: sink?.remote, ssrc: sink?.ssrc)
      }
      return Packet(
        time: now.timeIntervalSince1970 - report.at.since(packet.at).seconds, nanoseconds: packet.at.nanoseconds,
        number: packet.number,
        interface: packet.interface, program: packet.program.rawValue, remote: "\(packet.tuple.remote)",
        local: "\(packet.tuple.local)", ssrc: packet.ssrc, sequence: packet.sequence, timestamp: packet.timestamp,
        payloadType: packet.payloadType, marker: packet.marker, length: packet.length, verdict: packet.verdict,
        sinkCount: packet.sinkCount, sinks: sinks)
    }
  }
}
