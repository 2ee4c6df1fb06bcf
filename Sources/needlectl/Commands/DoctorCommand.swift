import ArgumentParser
import Foundation

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What this host can do for the fast path, and how to get what is missing.",
    discussion: "Needs no server. Exit code 0 if nothing is missing, else 1. Run it as the server's user.")
  @OptionGroup var common: CommonOptions
  @Option(help: "The media port to look at.") var mediaPort: UInt16 = 3478
  @Option(help: "The HTTP(S) port to look at.") var port: UInt16 = 8443

  private struct Diagnosis: Encodable {
    var ok: Bool
    var checks: [Finding]
  }

  func run() throws {
    let isRunning = (try? common.client.get("/status")) != nil
    let findings =
      KernelChecks.all() + PrivilegeChecks.all() + InterfaceChecks.all() + RuleChecks.all() + ProcessorChecks.all()
      + LimitChecks.all() + PortChecks.all(media: mediaPort, web: port, serverIsRunning: isRunning)
    let isFine = !findings.contains { $0.state == .missing }
    if common.json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try standardOutput(String(decoding: try encoder.encode(Diagnosis(ok: isFine, checks: findings)), as: UTF8.self))
    } else {
      try show(findings, isFine)
    }
    if !isFine { throw ExitCode(1) }
  }

  private func show(_ findings: [Finding], _ isFine: Bool) throws {
    var table = Table("CHECK", "STATE", "FOUND")
    for finding in findings { table.row(finding.check, finding.state.rawValue, finding.detail) }
    try standardOutput(table.text(empty: ""), terminator: "")
    let remedies = findings.filter { $0.remedy != nil }
    if !remedies.isEmpty { try standardOutput("\nWhat to do:") }
    for finding in remedies { try standardOutput("  \(finding.check): \(finding.remedy ?? "")") }
    if !isFine {
      try standardOutput(
        "\nWithout what is missing the server still runs, on the socket lane where XDP cannot be used.")
    }
  }
}
