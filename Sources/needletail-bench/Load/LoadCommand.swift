import ArgumentParser
import Foundation
import Wire

/// `needletail-bench load`: plays publishers and subscribers against a running server and reports what they got.
struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Load a running server with publishers and subscribers, as browsers would be.",
    discussion: """
      Every participant joins over the WebSocket and has a UDP port of its own, with ICE, DTLS and SRTP. Publishers send \
      video packets of 1200 bytes at the bitrate, and 50 audio packets a second. A few subscribers, spread over the order \
      of joining, decrypt everything and measure the latency from the publisher's send call to the kernel's receipt; the \
      others count. Loss is what subscribers did not get of what was sent in the window.
      """)

  @Option(help: "The server: https://host:port.") var url: String
  @Option(help: "The room to join.") var room = "load"
  @Option(help: "Participants that send.") var publishers = 1
  @Option(help: "Participants that receive everything.") var subscribers = 10
  @Option(help: "Bits per second of each publisher's video.") var videoBitrate = 2_500_000
  @Option(help: "Seconds to measure, once all have joined; at most 120.") var duration = 20
  @Option(help: "Participants that join each second.") var joinRate = 50
  @Option(help: "Subscribers that decrypt and measure latency.") var sample = 4
  @Option(help: "Ask for key frames every so many seconds; 0: never.") var keyFrameInterval = 0
  @Option(help: "A token for joining, where the server wants one.") var token: String?
  @Flag(help: "Do not verify the server's certificate.") var insecure = false
  @Flag(
    name: .customLong("i-own-this-server"),
    help: "Load a server that is neither on this machine nor in a private network.")
  var ownsServer = false
  @Flag(help: "Print the report as JSON.") var json = false
  @Flag(help: .hidden) var marks = false
  @Flag(help: .hidden) var reference = false

  func validate() throws {
    func check(_ holds: Bool, _ text: String) throws { if !holds { throw ValidationError(text) } }
    try check((1...120).contains(duration), "--duration must be 1 to 120 seconds")
    try check((1...100).contains(publishers), "--publishers must be 1 to 100")
    try check((0...10_000).contains(subscribers), "--subscribers must be 0 to 10000")
    try check((10_000...100_000_000).contains(videoBitrate), "--video-bitrate must be 10000 to 100000000")
    try check((1...1000).contains(joinRate), "--join-rate must be 1 to 1000")
    try check((0...3600).contains(keyFrameInterval), "--key-frame-interval must be 0 to 3600 seconds")
    try check((0...100).contains(sample), "--sample must be 0 to 100")
  }

  func run() throws {
    let target = try LoadTarget(url: url, isAnywhereAllowed: ownsServer)
    raiseDescriptorLimit()
    let run = try LoadRun(self, target)
    defer { run.stop() }
    try run.connect()
    let result = try run.measure()
    let report = LoadReport(self, result, run.progress.current)
    print(json ? report.json : report.table)
    guard result.received > 0 || subscribers == 0 else { throw ExitCode(1) }
  }

  /// A thousand participants have two thousand sockets.
  private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
