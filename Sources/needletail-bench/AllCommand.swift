import ArgumentParser

/// `needletail-bench all`: what `make bench` runs.
struct AllCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all", abstract: "Every benchmark: worker, lanes, server. The last two need root.",
    discussion: "What cannot be measured does not keep the rest from running; the exit code is then 1.")

  @Option(help: "Seconds to measure each round of the server benchmark.") var duration = 10

  func run() throws {
    var missing: [String] = []
    for (title, measure) in parts {
      heading(title)
      do { missing += try measure().map { "\(title): \($0)" } } catch {
        print("not measured: \(error)")
        missing.append("\(title): \(error)")
      }
    }
    guard missing.isEmpty else {
      heading("not measured")
      print(missing.joined(separator: "\n"))
      throw ExitCode(1)
    }
  }

  /// Each measures, prints and returns what it could not measure.
  private var parts: [(title: String, measure: () throws -> [String])] {
    [
      ("worker: rewriting and protecting one copy of 1200 bytes, no network", whole(WorkerCommand.self)),
      ("lanes: SRTP of one publisher to many receivers over veth", whole(LanesCommand.self, "--encrypted")),
      ("lanes: clear RTP of one publisher to many receivers over veth", whole(LanesCommand.self, "--clear")),
      ("server: the whole server, 1 publisher to N subscribers over veth", measureServer),
    ]
  }

  /// A command that measures everything or fails.
  private func whole(_ command: (some ParsableCommand).Type, _ arguments: String...) -> () throws -> [String] {
    {
      var command = try command.parse(arguments)
      try command.run()
      return []
    }
  }

  private func measureServer() throws -> [String] {
    let command = try ServerCommand.parse(["--counts", "1,10,100,1000", "--duration", "\(duration)"])
    let (rows, missing) = try command.measure()
    print(ServerTable.text(rows))
    heading("capacity of one core, computed from what a copy costs")
    print(ServerTable.capacity(rows))
    return missing
  }

  private func heading(_ text: String) { print("\n== \(text)\n") }
}
