import ArgumentParser
import Foundation

/// Clear-RTP participants: cameras, encoders, recorders and gateways that speak plain RTP.
struct ClearRTP: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rtp", abstract: "Participants by plain RTP: cameras, encoders, recorders, gateways.",
    subcommands: [Add.self, Remove.self, List.self, Description.self])

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a plain RTP sender or receiver a participant.",
      discussion: """
        A camera:    needlectl rtp add --room R --name camera --send --remote 192.0.2.7:5004 --codec h264 --payload-type 96
        A recorder:  needlectl rtp add --room R --name recorder --receive --remote-audio 192.0.2.8:5004 \\
                       --remote-video 192.0.2.8:5006 --codec opus --payload-type 111 --codec vp8 --payload-type 96

        Of several codecs, the second --payload-type belongs to the second --codec, and so on. All media of the server is on
        its media port: a sender sends there, from the port that --remote names.
        """)
    @OptionGroup var common: CommonOptions
    @Option(help: "The room's name.") var room: String
    @Option(help: "The participant's name, not yet taken in the room.") var name: String
    @Flag(help: "Which way its media goes, as it sees it (default: both).") var direction: Direction = .both
    @Option(help: "Its address and RTP port: packets come from there and go there.") var remote: String?
    @Option(help: "The same for its audio alone.") var remoteAudio: String?
    @Option(help: "The same for its video alone.") var remoteVideo: String?
    @Option(help: "A codec that it sends or takes; may be repeated.") var codec: [String]
    @Option(help: "The codec's RTP payload type.") var payloadType: [Int]
    @Option(help: "The SSRC it sends under, or \"any\" (learned by payload type); of a receiver: that it gets.")
    var ssrc: [SSRC] = []
    @Option(help: "Hz, if not the codec's usual.") var clockRate: [Int] = []
    @Option(help: "Channels, if not the codec's usual.") var channels: [Int] = []
    @Option(help: "Format parameters as in SDP, e.g. packetization-mode=1.") var fmtp: [String] = []
    @Option(help: "audio or video, to be sure.") var kind: [String] = []
    @Option(help: "Where its RTCP is: next (the port after RTP's), mux (the same), or an address with port.") var rtcp:
      String?
    @Option(help: "The server's address that it talks to, if not the nearest.") var localAddress: String?
    @Option(help: "The server's port that it talks to: the media port, there is no other.") var localPort: Int?
    @Option(help: "Receive only what the participant of this name sends.") var from: String?
    @Option(help: "Seconds between key frames for a receiver that sends no RTCP to ask for them; 0: none (default: 4).")
    var keyFrames: Int?
    @Option(help: "Packets per second that each stream it sends may have; the rest is dropped. 0: no limit.")
    var maxPackets: Int?
    @Option(help: "RTP bytes per second, likewise.") var maxBytes: Int?

    func validate() throws {
      guard payloadType.count == codec.count else {
        throw ValidationError(
          "there are \(codec.count) --codec and \(payloadType.count) --payload-type; give one for each")
      }
      let lists = [
        ("--ssrc", ssrc.count), ("--clock-rate", clockRate.count), ("--channels", channels.count),
        ("--fmtp", fmtp.count),
        ("--kind", kind.count),
      ]
      for (flag, count) in lists where count != 0 && count != codec.count {
        throw ValidationError("there are \(codec.count) --codec and \(count) \(flag); give one for each, or none")
      }
    }

    func run() throws {
      let codecs = codec.indices.map { index in
        RTPOrder.Codec(
          codec: codec[index], payloadType: payloadType[index], ssrc: ssrc.isEmpty ? nil : ssrc[index].number,
          clockRate: clockRate.isEmpty ? nil : clockRate[index], channels: channels.isEmpty ? nil : channels[index],
          fmtp: fmtp.isEmpty ? nil : fmtp[index], kind: kind.isEmpty ? nil : kind[index])
      }
      let order = RTPOrder(
        room: room, name: name, direction: direction.rawValue, remote: remote, remoteAudio: remoteAudio,
        remoteVideo: remoteVideo, rtcp: rtcp, localAddress: localAddress, localPort: localPort, from: from,
        keyFrames: keyFrames, maxPackets: maxPackets, maxBytes: maxBytes, codecs: codecs)
      let body = try common.client.post("/rtp", order)
      try standardOutput(common.json ? String(decoding: body, as: UTF8.self) : "\(name) is in \(room)")
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Takes a clear-RTP participant out of its room.")
    @OptionGroup var common: CommonOptions
    @Option(help: "The room's name.") var room: String
    @Option(help: "The participant's name.") var name: String

    func run() throws {
      let body = try common.client.delete("/rtp", query: ["room": room, "name": name])
      try standardOutput(common.json ? String(decoding: body, as: UTF8.self) : "\(name) is out of \(room)")
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The clear-RTP participants.")
    @OptionGroup var common: CommonOptions
    @Option(help: "Only this room.") var room: String?

    func run() throws {
      let query = room.map { ["room": $0] } ?? [:]
      try common.show(try common.client.get("/rtp", query: query), as: RTPAnswer.self) { answer in
        var table = Table(
          "ROOM", "NAME", "DIRECTION", "CODEC", "TYPE", "SSRC", "REMOTE", "RTCP", "SERVER", "ALL SENT", "ALL RECEIVED")
        for person in answer.participants {
          for format in person.formats {
            table.row(
              person.room, person.name, person.direction, format.codec, "\(format.payloadType)",
              format.ssrc.map { "\($0)" } ?? "any", format.remote, format.rtcp, person.local ?? "",
              "\(person.packetsSent)", "\(person.packetsReceived)")
          }
        }
        return table.text(empty: "no clear-RTP participants")
      }
    }
  }

  struct Description: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "sdp",
      abstract: "The SDP file with which a receiver's program (ffplay, VLC, GStreamer) opens what it gets.")
    @OptionGroup var common: CommonOptions
    @Option(help: "The room's name.") var room: String
    @Option(help: "The participant's name.") var name: String

    func run() throws {
      let query = ["room": room, "name": name]
      try common.show(try common.client.get("/rtp/sdp", query: query), as: DescriptionAnswer.self) { $0.sdp }
    }
  }

  enum Direction: String, EnumerableFlag { case send, receive, both }
}

/// A number, also as 0x and hex digits, or "any".
struct SSRC: ExpressibleByArgument {
  var number: Int?

  init?(argument: String) {
    if argument == "any" { return }
    let digits = argument.hasPrefix("0x") ? Int(argument.dropFirst(2), radix: 16) : Int(argument)
    guard let digits else { return nil }
    number = digits
  }
}

/// The body of `POST /rtp`.
struct RTPOrder: Encodable {
  struct Codec: Encodable {
    var codec: String
    var payloadType: Int
    var ssrc: Int?
    var clockRate: Int?
    var channels: Int?
    var fmtp: String?
    var kind: String?
  }

  var room: String
  var name: String
  var direction: String
  var remote: String?
  var remoteAudio: String?
  var remoteVideo: String?
  var rtcp: String?
  var localAddress: String?
  var localPort: Int?
  var from: String?
  var keyFrames: Int?
  var maxPackets: Int?
  var maxBytes: Int?
  var codecs: [Codec]
}
