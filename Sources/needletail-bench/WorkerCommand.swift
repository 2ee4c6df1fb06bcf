import ArgumentParser

/// `needletail-bench worker`: what one copy costs, and one packet sent again, without any network.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "What rewriting and protecting one copy costs, against libsrtp in the same run.")

  @Flag(help: "Only what repair costs: packets kept, packets sent again, and a storm of requests.") var repair = false

  func run() throws {
    if !repair {
      try WorkerBench().printTable()
      print("")
    }
    try RepairBench().printTables()
  }
}
