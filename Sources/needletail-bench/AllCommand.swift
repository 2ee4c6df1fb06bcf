import ArgumentParser
import Foundation

/// `needletail-bench all`: what `make bench` runs.
struct AllCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all", abstract: "Every benchmark: worker, lanes, server. The last two need root.")

  @Option(help: "Seconds to measure each round of the server benchmark.") var duration = 10

  func run() throws {
    heading("worker: rewriting and protecting one copy of 1200 bytes, no network")
    print(WorkerBench.table(try WorkerBench().run()))
    heading("lanes: one publisher's packets to many receivers over veth")
    attempt { try LanesCommand.parse([]).run() }
    heading("server: the whole server, 1 publisher to N subscribers over veth")
    attempt { try runServer() }
  }

  private func runServer() throws {
    let command = try ServerCommand.parse(["--counts", "1,10,100,1000", "--duration", "\(duration)"])
    let rows = try command.measure()
    print(ServerTable.text(rows))
    heading("capacity of one core")
    print(ServerTable.capacity(rows))
  }

  /// One benchmark that cannot run here does not keep the others from running.
  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch { print("not measured: \(error)") }
  }

  private func heading(_ text: String) { print("\n== \(text)\n") }
}
