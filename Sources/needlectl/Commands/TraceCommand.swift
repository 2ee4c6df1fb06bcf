import ArgumentParser
import Foundation

/// Single packets of a source, live, as the programs in the kernel see them.
struct Trace: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The packets of a source, one line each: as they came, the verdict, and where the copies went.",
    discussion: """
      `needlectl fastpath` lists the sources. Until interrupted, or as --seconds and --count say; the server ends the \
      trace itself when nobody asks for two seconds.

      A line is: time, interface, program, sender > our address, ssrc, sequence number, timestamp, payload type (* with \
      marker), octets of RTP, verdict, copies. The verdict is what `needlectl fastpath` counts as PROGRAM_VERDICT. After \
      redirect_xsk and pass_… the copies are those that the worker makes if it takes the packet (SRTP may not be genuine).

      At most 1000 packets a second are shown of a source, after 100 at once; --every thins out faster ones evenly. \
      What could not be shown is counted at the end. Sources that nobody traces are not slowed down. On the socket lane \
      no program sees the packets: then this says so, and why.
      """)
  @OptionGroup var common: CommonOptions
  @Option(help: "The source's id; or say whose it is, below.") var source: UInt32?
  @Argument(help: "The room of the participant whose packets are meant.") var room: String?
  @Argument(help: "The participant's name.") var name: String?
  @Option(help: "audio or video, if the participant sends both.") var kind: String?
  @Option(help: "End after so many seconds.") var seconds: Double?
  @Option(help: "End after so many packets.") var count: Int?
  @Option(help: "One packet in so many.") var every: UInt32 = 1

  private struct Order: Encodable {
    var source: UInt32
    var every: UInt32
    var after: UInt64?
  }

  func validate() throws {
    guard (1...1_000_000).contains(every) else { throw ValidationError("--every must be from 1 to 1000000") }
    guard count ?? 1 > 0 else { throw ValidationError("--count must be 1 or more") }
    guard (source != nil) != (room != nil && name != nil) else {
      throw ValidationError("name a source: --source ID, or ROOM NAME")
    }
    guard seconds.map({ $0 > 0 && $0.isFinite }) ?? true else { throw ValidationError("--seconds must be above 0") }
  }

  func run() throws {
    let end = seconds.map { Date().addingTimeInterval($0) }
    let signals = Interruptions()
    var isInterrupted = false
    var after: UInt64?
    var shown = 0
    var gaps = TraceGaps(every: every)
    let source = try self.source ?? find()
    while true {
      let isLast = isInterrupted || end.map { $0 <= Date() } ?? false
      let answer = try poll(Order(source: source, every: every, after: after))
      for packet in answer.packets.prefix(count.map { $0 - shown } ?? .max) {
        try show(packet)
        gaps.note(packet.number)
        shown += 1
      }
      after = answer.next
      if isLast || shown == count { break }
      isInterrupted = signals.wait(milliseconds: 200)
    }
    guard gaps.missing > 0 else { return }
    standardError(
      "\(Reading.count(gaps.missing, "packet")) between these came too fast to be shown; --every thins them out")
  }

  /// The one source that the participant's name and kind mean, retransmissions aside.
  private func find() throws -> UInt32 {
    let body = try common.client.get("/streams", query: ["room": room ?? ""])
    let streams = try JSONDecoder().decode(StreamsAnswer.self, from: body)
    let found = streams.sources.filter { source in
      source.name == name && !source.isRetransmission && source.id != 0 && kind.map { $0 == source.kind } ?? true
    }
    guard let first = found.first else {
      throw AdminError.refused("\(name ?? "") sends no \(kind ?? "media") in room \(room ?? "")")
    }
    guard found.count == 1 else {
      let sources = found.map { "\($0.id) (\($0.kind) \($0.codec))" }.joined(separator: ", ")
      throw AdminError.refused("\(name ?? "") sends several; say --kind, or --source with one of \(sources)")
    }
    return first.id
  }

  private func poll(_ order: Order) throws -> TraceAnswer {
    let body = try common.client.post("/trace", order)
    guard let answer = try? JSONDecoder().decode(TraceAnswer.self, from: body) else {
      throw AdminError.refused("the server's answer is not understood; is it of another version?")
    }
    return answer
  }

  private func show(_ packet: TraceAnswer.Packet) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try standardOutput(
      common.json ? String(decoding: try encoder.encode(packet), as: UTF8.self) : Self.line(packet))
  }

  private static func line(_ packet: TraceAnswer.Packet) -> String {
    let fields = [
      time(packet.time), packet.interface, packet.program, "\(packet.remote) > \(packet.local)", "ssrc \(packet.ssrc)",
      "seq \(packet.sequence)", "ts \(packet.timestamp)", "pt \(packet.payloadType)\(packet.marker ? "*" : "")",
      "\(packet.length) B", packet.verdict,
    ]
    return (fields + [destinations(packet)].filter { !$0.isEmpty }).joined(separator: "  ")
  }

  private static func destinations(_ packet: TraceAnswer.Packet) -> String {
    guard packet.sinkCount > 0 else { return "" }
    let named = packet.sinks.map { $0.remote ?? "sink \($0.id)" }.joined(separator: " ")
    let rest = packet.sinkCount - packet.sinks.count
    return "-> \(packet.sinkCount): \(named)\(rest > 0 ? " and \(rest) more" : "")"
  }

  /// Of the day, as people here have it, to the microsecond.
  private static func time(_ seconds: Double) -> String {
    var whole = time_t(seconds)
    var parts = tm()
    localtime_r(&whole, &parts)
    let rest = Int((seconds - seconds.rounded(.down)) * 1e6)
    return String(format: "%02d:%02d:%02d.%06d", parts.tm_hour, parts.tm_min, parts.tm_sec, rest)
  }
}

/// What is missing between packets that were shown, one in `every`.
private struct TraceGaps {
  let every: UInt32
  private var last: UInt32?
  private(set) var missing = 0

  init(every: UInt32) { self.every = every }

  mutating func note(_ number: UInt32) {
    // Lower: another trace has begun.
    if let last, number > last { missing += max(0, Int(number / every) - Int(last / every) - 1) }
    last = number
  }
}
