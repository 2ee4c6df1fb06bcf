/// What `needlectl streams` shows: where streams go, and how well they get there.
package enum StreamTables {
  /// Two tables, within 120 characters unless wide; each source is followed by its sinks.
  package static func text(_ answer: StreamsAnswer, isWide: Bool) -> String {
    guard !answer.sources.isEmpty || !answer.sinks.isEmpty else { return "no streams\n" }
    let width = isWide ? Int.max : 120
    let streams = Stream.all(answer)
    return [lanes(streams, isWide: isWide), quality(streams, isWide: isWide)].map { $0.text(empty: "", width: width) }
      .joined(separator: "\n")
  }

  private static func lanes(_ streams: [Stream], isWide: Bool) -> Table {
    let ways = isWide ? ["TRACK", "SSRC", "FROM", "TO"] : []
    var table = Table(["", "ID", "ROOM", "NAME", "KIND", "CODEC"] + ways + ["PACKETS", "RATE", "LANE", "WHY"])
    for stream in streams {
      let (room, name) = isWide ? (stream.room, stream.name) : (cut(stream.room), cut(stream.name))
      table.row(
        [stream.marker, stream.id, room, name, stream.kind, stream.codec]
          + (isWide ? [stream.track, stream.ssrc, stream.from, stream.to] : [])
          + [stream.packets, stream.rate, stream.lane, stream.why])
    }
    return table
  }

  private static func quality(_ streams: [Stream], isWide: Bool) -> Table {
    var table = Table([
      "", "ID", "NAME", "KIND", "LOSS", "AFTER", "RTT", "JITTER", "NACKED", "REPAIRED", "WITHIN", "KEYREQ",
    ])
    for stream in streams {
      table.row(
        [stream.direction, stream.id, isWide ? stream.name : cut(stream.name), stream.kind] + stream.quality,
        note: stream.notes.joined(separator: "; "))
    }
    return table
  }

  private static func cut(_ name: String) -> String { name.count > 14 ? name.prefix(13) + "…" : name }
}

/// A row of both tables.
private struct Stream {
  var direction: String
  var marker: String
  var id: String
  var room: String
  var name: String
  var track: String
  var kind: String
  var codec: String
  var ssrc: String
  var from: String
  var to: String
  var packets: String
  var rate: String
  var lane: String
  var why: String
  /// From LOSS on.
  var quality: [String]
  var notes: [String]

  static func all(_ answer: StreamsAnswer) -> [Stream] {
    let sources = Set(answer.sources.map(\.id))
    let known = answer.sources.flatMap { source in
      [Stream(source)] + answer.sinks.filter { $0.source == source.id }.map(Stream.init)
    }
    return known + answer.sinks.filter { !sources.contains($0.source) }.map(Stream.init)
  }

  init(_ source: StreamsAnswer.Source) {
    direction = "in"
    marker = source.muted ? "in, muted" : "in"
    (id, room, name, track) = ("\(source.id)", source.room, source.name, source.track)
    kind = source.isRetransmission ? source.kind + " rtx" : source.kind
    (codec, ssrc, from, to) = (source.codec, "\(source.ssrc)", source.remote ?? "", source.local ?? "")
    (packets, rate) = ("\(source.packets)", Reading.bitrate(source.bitsPerSecond))
    (lane, why) = (source.lane, source.laneReason)
    // A stream of retransmissions has no loss that something repairs.
    let repair = [
      "\(source.packetsRequested)", "\(source.packetsRepaired)", Reading.milliseconds(source.repairMilliseconds),
      "\(source.keyFrameRequests)",
    ]
    quality =
      [
        Reading.share(source.lossBeforeRepair), Reading.share(source.lossAfterRepair),
        Reading.milliseconds(source.roundTripMilliseconds), Reading.milliseconds(source.jitterMilliseconds),
      ] + (source.isRetransmission ? ["", "", "", ""] : repair)
    notes = []
    if let silent = source.silentSeconds { notes.append("silent for \(Reading.duration(silent))") }
    if source.packetsGivenUp > 0 { notes.append("given up: \(source.packetsGivenUp)") }
  }

  init(_ sink: StreamsAnswer.Sink) {
    direction = "  out"
    marker = direction
    (id, room, name, track) = ("\(sink.id)", sink.room, sink.name, sink.track)
    (kind, codec, ssrc) = (sink.kind, sink.codec, "\(sink.ssrc)")
    (from, to) = (sink.local ?? "", sink.remote ?? "")
    (packets, rate) = ("\(sink.packets)", Reading.bitrate(sink.bitsPerSecond))
    (lane, why) = (sink.lane, sink.laneReason)
    quality = [
      Reading.share(sink.lossBeforeRepair), Reading.share(sink.lossAfterRepair),
      Reading.milliseconds(sink.roundTripMilliseconds),
      // Without a report nothing is known of it.
      sink.lossBeforeRepair == nil ? "" : Reading.milliseconds(sink.reportedJitterMilliseconds),
      "\(sink.packetsNacked)", "\(sink.packetsRetransmitted)", Reading.milliseconds(sink.repairMilliseconds),
      "\(sink.keyFrameRequests)",
    ]
    let denied = sink.repairsDenied.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
    notes = denied.isEmpty ? [] : ["not sent again: " + denied.joined(separator: ", ")]
  }
}
