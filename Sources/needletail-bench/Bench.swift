import ArgumentParser

/// `needletail-bench`: load for a server of one's own, and the benchmarks behind `make bench`.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "needletail-bench",
    abstract: "Load test and benchmarks of Needletail, each against a reference of the same run.",
    subcommands: [
      LoadCommand.self, ServerCommand.self, LanesCommand.self, WorkerCommand.self, AllCommand.self,
      ReferenceCommand.self,
    ])
}

/// What stops a benchmark, for people.
struct BenchFailure: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }
}
