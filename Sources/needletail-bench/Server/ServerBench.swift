import Foundation
import Wire

/// Measures the whole server in a network of its own, against the reference forwarder in the same run: the same client,
/// the same traffic, the same CPUs.
struct ServerBench {
  var counts: [Int]
  var seconds: Int
  var lane: String
  var videoBitrate = 2_500_000
  var serverCPU = 0
  var clientCPU = 1
  var serverProgram: String
  var hasReference = true
  var joinRate = 50

  struct Row: Codable, Sendable {
    var subscribers: Int
    var server: Measurement
    var reference: Measurement?
    /// Resident memory that each participant added, in kB.
    var kilobytesPerParticipant: Double
    /// The lanes of the server's sinks, e.g. "xsk".
    var lane: String
    /// How many times less processor time the server takes for a packet than the reference.
    var ratio: Double? { reference.map { $0.microsecondsPerPacket / server.microsecondsPerPacket } }
  }

  struct Measurement: Codable, Sendable {
    /// Of processor time for each packet that arrived at a subscriber.
    var microsecondsPerPacket: Double
    /// Processors kept busy, of the one there is.
    var processors: Double
    var load: LoadReport
  }

  private static let port: UInt16 = 8443

  /// The rounds, and what is said of those that could not be measured. `note` is told what is going on.
  func run(cleanup: Cleanup, note: (String) -> Void) throws -> (rows: [Row], missing: [String]) {
    guard getuid() == 0 else { throw BenchFailure("needs root: it makes network namespaces") }
    let hold = WakeupLatencyHold()
    defer { cleanup.run() }
    let directory = try Self.makeDirectory(cleanup)
    let pair = try NetworkPair(cleanup: cleanup)
    try pair.pinThreads(serverCPU: serverCPU, clientCPU: clientCPU)
    for line in conditions(isLatencyHeld: hold.isHeld) { note(line) }
    var rows: [Row] = []
    var missing: [String] = []
    for count in counts {
      note("\(count) subscribers …")
      do {
        rows.append(try row(count, pair, directory, cleanup))
      } catch {
        cleanup.waitIfRunning()
        missing.append("\(count) subscribers: \(error)")
        note(missing.last ?? "")
      }
    }
    return (rows, missing)
  }

  private func conditions(isLatencyHeld: Bool) -> [String] {
    [
      "server and its NAPI thread on CPU \(serverCPU), load client and its NAPI thread on CPU \(clientCPU); veth with GRO, "
        + "threaded NAPI and no TSO at both ends (the client's thread at real-time priority); the NAPI thread's time is counted as the server's",
      isLatencyHeld
        ? "/dev/cpu_dma_latency is held at 0: idle processors wake up at once"
        : "/dev/cpu_dma_latency cannot be held: wake-ups of idle processors are part of the latency",
    ]
  }

  private func row(_ count: Int, _ pair: NetworkPair, _ directory: String, _ cleanup: Cleanup) throws -> Row {
    let (server, memory, lane) = try measureServer(count, pair, directory, cleanup)
    let reference = hasReference ? try measureReference(count, pair, directory, cleanup) : nil
    return Row(
      subscribers: count, server: server, reference: reference, kilobytesPerParticipant: memory / 1024, lane: lane)
  }
}

// MARK: The two sides

extension ServerBench {
  private func measureServer(
    _ count: Int, _ pair: NetworkPair, _ directory: String, _ cleanup: Cleanup
  ) throws -> (Measurement, bytesPerParticipant: Double, lane: String) {
    let log = "\(directory)/server-\(count).log"
    let configuration = "\(directory)/needletail.yaml"
    try configurationText(directory).write(toFile: configuration, atomically: true, encoding: .utf8)
    let server = try ChildProcess(
      pair.inServer(cpu: serverCPU, [serverProgram, "--config", configuration]), directory: directory, log: log)
    cleanup.add { server.stop() }
    defer { server.stop() }
    try waitUntilReady(server, log)
    // The fast path may have made the NAPI thread anew.
    try pair.pinThreads(serverCPU: serverCPU, clientCPU: clientCPU)
    let before = ProcessorTime.residentBytes(of: server.pid)
    let url = "https://\(NetworkPair.serverAddress):\(Self.port)"
    var after = 0
    var lane = "?"
    let measurement = try measure(count, server, pair, directory, cleanup, ["--url", url, "--insecure"]) {
      after = ProcessorTime.residentBytes(of: server.pid)
      lane = Self.lane(adminSocket: Self.adminSocket(directory))
    }
    return (measurement, Double(after - before) / Double(count + 1), lane)
  }

  private func measureReference(
    _ count: Int, _ pair: NetworkPair, _ directory: String, _ cleanup: Cleanup
  ) throws -> Measurement {
    let words = ["reference", "--address", NetworkPair.serverAddress, "--port", "\(Self.port)"]
    let reference = try ChildProcess(
      pair.inServer(cpu: serverCPU, [Self.thisProgram] + words), directory: directory, log: "\(directory)/reference.log"
    )
    cleanup.add { reference.stop() }
    defer { reference.stop() }
    Clock.sleep(.milliseconds(300))
    let url = "https://\(NetworkPair.serverAddress):\(Self.port)"
    return try measure(count, reference, pair, directory, cleanup, ["--url", url, "--reference"]) {}
  }

  /// Runs the load client against `server` and reads the server's clocks at both ends of the window.
  private func measure(
    _ count: Int, _ server: ChildProcess, _ pair: NetworkPair, _ directory: String, _ cleanup: Cleanup,
    _ options: [String], atEnd: () -> Void
  ) throws -> Measurement {
    let log = "\(directory)/load.log"
    let words =
      [Self.thisProgram, "load", "--json", "--marks", "--subscribers", "\(count)", "--duration", "\(seconds)"]
      + ["--video-bitrate", "\(videoBitrate)", "--join-rate", "\(joinRate)"] + options
    let client = try ChildProcess(pair.inClient(cpu: clientCPU, words), directory: directory, log: log)
    cleanup.add { client.stop() }
    defer { client.stop() }
    func used() -> UInt64 { ProcessorTime.nanoseconds(of: server.pid, kernelThreads: pair.serverThreads) }
    var begin: (time: Instant, used: UInt64)?
    var processors = 0.0
    var spent: UInt64 = 0
    var json = ""
    client.forEachLine(limit: seconds + count / joinRate + 120) { line in
      switch line {
      case "window begins": begin = (Clock.now, used())
      case "window ends":
        if let begin { processors = Double(used() &- begin.used) / Double(Clock.now.since(begin.time).nanoseconds) }
      case "window drained":
        // What a busy server still had to send is among the packets received.
        if let begin { spent = used() &- begin.used }
        atEnd()
      default: json += line + "\n"
      }
    }
    guard let report = try? JSONDecoder().decode(LoadReport.self, from: Data(json.utf8)), spent > 0 else {
      throw BenchFailure("the load client found nothing to measure: \((textFile(log) ?? "").suffix(500))")
    }
    return Measurement(
      microsecondsPerPacket: Double(spent) / 1000 / Double(max(1, report.receivedPackets)), processors: processors,
      load: report)
  }
}

// MARK: Around them

extension ServerBench {
  private func configurationText(_ directory: String) -> String {
    """
    address: \(NetworkPair.serverAddress)
    port: \(Self.port)
    auth: none
    media-port: 3478
    interfaces: [eth0]
    lane: \(lane)
    max-participants: 20000
    max-connections: 20000
    max-connections-per-address: 20000
    log-level: notice
    admin-socket: \(Self.adminSocket(directory))

    """
  }

  private func waitUntilReady(_ server: ChildProcess, _ log: String) throws {
    let deadline = Clock.now.advanced(by: .seconds(20))
    while textFile(log)?.contains(" ready ") != true {
      guard server.isRunning, Clock.now < deadline else {
        throw BenchFailure("the server does not start: \((textFile(log) ?? "").suffix(1000))")
      }
      Clock.sleep(.milliseconds(50))
    }
  }

  private static func adminSocket(_ directory: String) -> String { directory + "/admin.sock" }

  /// The lanes that have sinks, as `needlectl` says; "?" where it says nothing.
  private static func lane(adminSocket: String) -> String {
    struct Streams: Decodable {
      struct Sink: Decodable { var lane: String }
      var sinks: [Sink]
    }
    let words = [ServerCommand.besideThis("needlectl"), "streams", "--json", "--socket", adminSocket]
    let streams = (try? Shell.run(words)).flatMap { try? JSONDecoder().decode(Streams.self, from: Data($0.utf8)) }
    let lanes = Set((streams?.sinks ?? []).map(\.lane)).sorted()
    return lanes.isEmpty ? "?" : lanes.joined(separator: "+")
  }

  private static func makeDirectory(_ cleanup: Cleanup) throws -> String {
    let path = NSTemporaryDirectory() + "needletail-bench-\(getpid())"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    cleanup.add { try? FileManager.default.removeItem(atPath: path) }
    return path
  }

  /// The path of this program.
  static var thisProgram: String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
  }
}
