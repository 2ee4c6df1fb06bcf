import ArgumentParser

/// `needletail-bench worker`: what one copy costs, without any network.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "What rewriting and protecting one copy costs, against libsrtp in the same run.")

  func run() throws { try WorkerBench().printTable() }
}
