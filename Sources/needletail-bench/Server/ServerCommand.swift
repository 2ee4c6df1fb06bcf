import ArgumentParser
import Foundation

/// `needletail-bench server`: the whole server for more and more subscribers, against the reference forwarder.
struct ServerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "server",
    abstract: "Measure the whole server against a recvfrom + libsrtp + sendto forwarder in the same run. Needs root.",
    discussion: """
      One publisher (2.5 Mbit/s of video, and audio) to N subscribers, over a veth pair between two network namespaces. \
      CPU is the processor time of every thread of the server, and of the kernel's receive thread for its interface, for \
      each packet that arrived at a subscriber.
      """)

  @Option(help: "Subscribers of each round, parted by commas.") var counts = "1,10,100,500,1000"
  @Option(help: "Seconds to measure each.") var duration = 10
  @Option(help: "The server's lane: auto, xsk, socket or kernel.") var lane = "auto"
  @Option(help: "The CPU of the server.") var serverCpu = 0
  @Option(help: "The CPU of the load client.") var clientCpu = 1
  @Option(help: "Participants that join each second.") var joinRate = 50
  @Option(help: "The server's program.") var server: String = Self.besideThis("needletail")
  @Flag(help: "Leave the reference out: quicker, but without ratios.") var withoutReference = false
  @Flag(help: "Print the results as JSON.") var json = false

  static func besideThis(_ name: String) -> String {
    URL(fileURLWithPath: ServerBench.thisProgram).deletingLastPathComponent().appendingPathComponent(name).path
  }

  /// The rounds as numbers.
  private func parsedCounts() throws -> [Int] {
    let numbers = counts.split(separator: ",").map { Int($0) }
    guard !numbers.isEmpty, numbers.allSatisfy({ (1...5000).contains($0 ?? 0) }) else {
      throw ValidationError("--counts must be numbers from 1 to 5000, parted by commas")
    }
    return numbers.compactMap { $0 }
  }

  func validate() throws {
    _ = try parsedCounts()
    guard (1...120).contains(duration) else { throw ValidationError("--duration must be 1 to 120 seconds") }
    guard (1...1000).contains(joinRate) else { throw ValidationError("--join-rate must be 1 to 1000") }
    guard ["auto", "xsk", "socket", "kernel"].contains(lane) else {
      throw ValidationError("--lane must be auto, xsk, socket or kernel")
    }
    guard FileManager.default.isExecutableFile(atPath: server) else {
      throw ValidationError("there is no program \(server); build it or name it with --server")
    }
  }

  func run() throws {
    let (rows, missing) = try measure()
    print(json ? ServerTable.json(rows) : ServerTable.text(rows))
    guard missing.isEmpty else { throw ExitCode(1) }
  }

  /// The rounds, and what is said of those that could not be measured.
  func measure() throws -> (rows: [ServerBench.Row], missing: [String]) {
    let bench = ServerBench(
      counts: try parsedCounts(), seconds: duration, lane: lane, serverCPU: serverCpu, clientCPU: clientCpu,
      serverProgram: server, hasReference: !withoutReference, joinRate: joinRate)
    let cleanup = Cleanup()
    let signals = cleanup.watchSignals()
    defer { withExtendedLifetime(signals) {} }
    return try bench.run(cleanup: cleanup) { Progress.note($0) }
  }
}
