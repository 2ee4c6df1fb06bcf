import ArgumentParser
import Foundation

/// Packets of a room into a file.
struct Capture: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes what arrives from and leaves to the participants of a room to a file for Wireshark.",
    discussion: """
      RTP and RTCP of everyone in the room, also of those who join meanwhile, as a pcapng file of mode 0600: interface "in" \
      is what arrived, "out" what left; each packet's comment names participant, track and lane. IP and UDP headers are \
      made from the addresses. Packets are SRTP as they were on the wire; --decrypted writes them in clear instead: the \
      file then holds what people say and show.

      A source that the kernel forwards by itself takes the way by the worker while it is captured. The capture ends \
      after --seconds, with the room, or by Ctrl-C. What the server has no room for between two reads is dropped and counted.

        needlectl capture --room lobby -w lobby.pcapng
        needlectl capture --room lobby -w - | wireshark -k -i -
      """)
  @OptionGroup var common: CommonOptions
  @Option(help: "The room's name.") var room: String
  @Option(
    name: [.customShort("w"), .customLong("write")], help: "The file, which must not exist; - is standard output.")
  var file: String
  @Option(help: "Only what this participant (id or name) sends and gets.") var participant: String?
  @Option(help: "How long, at most 600.") var seconds = 60
  @Flag(help: "Write media in clear.") var decrypted = false
  @Flag(help: "Overwrite the file if it exists.") var force = false

  private struct Begun: Decodable { var id: UInt32 }

  /// The body of `POST /capture`.
  private struct Order: Encodable {
    var room: String
    var participant: String?
    var decrypted: Bool
    var seconds: Int
  }

  /// The answer to `GET /capture/ID`.
  private struct Part: Decodable {
    var blocks: Data
    var packets: UInt64
    var dropped: UInt64
    var ended: String?
  }

  private struct Result: Encodable {
    var file: String
    var bytes: Int
    var packets: UInt64
    var dropped: UInt64
    var ended: String
  }

  func validate() throws {
    guard (1...600).contains(seconds) else { throw ValidationError("--seconds must be 1 to 600") }
    guard file != "-" || !common.json else { throw ValidationError("--json and -w - both want standard output") }
  }

  func run() throws {
    var output = try CaptureFile(file, isForced: force)
    let signals = Interruptions()
    let resource: String
    do {
      let order = Order(room: room, participant: participant, decrypted: decrypted, seconds: seconds)
      resource = "/capture/\(try decode(try common.client.post("/capture", order), as: Begun.self).id)"
    } catch {
      output.abandon()
      throw error
    }
    if decrypted {
      standardError("needlectl: \(file) will hold people's media in clear; keep it to yourself and remove it in time")
    }
    let last: Part
    do {
      try output.begin()
      last = try copy(resource, to: &output, signals)
    } catch {
      _ = try? common.client.delete(resource, query: [:])
      standardError(
        "needlectl: the capture ends early; what came (\(Reading.bytes(UInt64(output.count)))) is in \(file)")
      throw error
    }
    try tell(
      Result(
        file: file, bytes: output.count, packets: last.packets, dropped: last.dropped, ended: last.ended ?? ""))
  }

  /// Until the server says that it is over.
  private func copy(_ resource: String, to output: inout CaptureFile, _ signals: Interruptions) throws -> Part {
    while true {
      let part = try decode(try common.client.get(resource), as: Part.self)
      try output.write(part.blocks)
      if part.ended != nil { return part }
      if signals.wait(milliseconds: 100) { _ = try common.client.delete(resource, query: [:]) }
    }
  }

  private func decode<Answer: Decodable>(_ body: Data, as type: Answer.Type) throws -> Answer {
    guard let answer = try? JSONDecoder().decode(Answer.self, from: body) else {
      throw AdminError.refused("the server's answer is not understood; is it of another version?")
    }
    return answer
  }

  private func tell(_ result: Result) throws {
    if common.json { return try standardOutput(String(decoding: try JSONEncoder().encode(result), as: UTF8.self)) }
    let size = Reading.bytes(UInt64(result.bytes))
    standardError(
      "\(Reading.count(result.packets, "packet")) in \(file) (\(size)), \(result.dropped) dropped: \(result.ended)")
  }
}
