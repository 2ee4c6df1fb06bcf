import ArgumentParser
import Foundation

/// Commands that change something.

/// The body of the admin API's orders.
struct Order: Encodable {
  var room: String?
  var participant: String?
  var track: String?
  var muted: Bool?
  var on: Bool?
}

extension CommonOptions {
  /// Sends an order; says `done` if the server carried it out.
  func order(_ resource: String, _ order: Order, done: String) throws {
    let body = try client.post(resource, order)
    try standardOutput(json ? String(decoding: body, as: UTF8.self) : done)
  }
}

struct Kick: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Puts a participant out of a room.")
  @OptionGroup var common: CommonOptions
  @Argument(help: "The room's name.") var room: String
  @Argument(help: "The participant's id or name.") var participant: String

  func run() throws {
    try common.order("/kick", Order(room: room, participant: participant), done: "\(participant) is out of \(room)")
  }
}

struct Mute: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Mutes or unmutes a participant's track, or all of them.")
  @OptionGroup var common: CommonOptions
  @Argument(help: "The room's name.") var room: String
  @Argument(help: "The participant's id or name.") var participant: String
  @Argument(help: "The track's id; all of them without.") var track: String?
  @Flag(help: "Unmute instead.") var unmute = false

  func run() throws {
    try common.order(
      "/mute", Order(room: room, participant: participant, track: track, muted: !unmute),
      done: "\(participant) is \(unmute ? "unmuted" : "muted")")
  }
}

struct Close: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Closes a room: everyone in it is put out.")
  @OptionGroup var common: CommonOptions
  @Argument(help: "The room's name.") var room: String

  func run() throws { try common.order("/close", Order(room: room), done: "\(room) is closed") }
}

struct Drain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Takes no new participants; calls go on. /readyz says 503 from then on.")
  @OptionGroup var common: CommonOptions
  @Flag(help: "Take new participants again.") var off = false

  func run() throws {
    try common.order("/drain", Order(on: !off), done: off ? "new participants are welcome" : "draining")
  }
}

struct Token: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Session tokens.", subcommands: [Create.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes a token that opens a room.")
    @OptionGroup var common: CommonOptions
    @Option(help: "The only room it opens; any without.") var room: String?
    @Option(help: "The only name its bearer may take; any without.") var identity: String?
    @Option(help: "Seconds it is valid, or a number with s, m, h or d; at most 366d.") var ttl: TimeToLive = TimeToLive(
      seconds: 3600)
    @Flag(help: "Its bearer may not publish.") var noPublish = false
    @Flag(help: "Its bearer may not receive.") var noSubscribe = false

    private struct Wish: Encodable {
      var room: String?
      var identity: String?
      var ttl: Double
      var canPublish: Bool
      var canSubscribe: Bool
    }

    func run() throws {
      let wish = Wish(
        room: room, identity: identity, ttl: ttl.seconds, canPublish: !noPublish, canSubscribe: !noSubscribe)
      try common.show(try common.client.post("/token", wish), as: TokenAnswer.self) { $0.token + "\n" }
    }
  }
}

/// "90", "90s", "15m", "8h" or "30d".
struct TimeToLive: ExpressibleByArgument {
  var seconds: Double

  init(seconds: Double) { self.seconds = seconds }

  init?(argument: String) {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
    let unit = argument.last.flatMap { units[$0] }
    guard let number = Double(unit == nil ? argument[...] : argument.dropLast()) else { return nil }
    seconds = number * (unit ?? 1)
    guard Self.allowed.contains(seconds) else { return nil }
  }

  /// What the server takes.
  private static let allowed: ClosedRange<Double> = 1...366 * 86400

  var defaultValueDescription: String { "\(Int(seconds))" }
}
