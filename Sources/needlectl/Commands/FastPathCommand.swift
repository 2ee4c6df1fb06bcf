import ArgumentParser

/// The fast path from outside: what it has in the kernel, and what that counts.
struct FastPath: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fastpath",
    abstract:
      "Interfaces, programs, map fill, verdict counters, and every source and sink as the fast path counts them.",
    discussion: """
      Counters are as of at most a second ago. A source's ID is what `needlectl trace --source` takes.
      """)
  @OptionGroup var common: CommonOptions
  @Flag(help: "Show verdicts that have not been given, too.") var all = false

  func run() throws {
    try common.show(try common.client.get("/fastpath"), as: FastPathAnswer.self) { answer in
      [
        interfaces(answer), programs(answer), maps(answer), sources(answer), sinks(answer), verdicts(answer),
      ].joined(separator: "\n")
    }
  }

  private func interfaces(_ answer: FastPathAnswer) -> String {
    var table = Table("INTERFACE", "LANE", "XDP", "AF_XDP", "TC", "QUEUES", "WHY")
    for interface in answer.interfaces {
      let reasons = [interface.reason, interface.tcReason == interface.reason ? "" : interface.tcReason]
      table.row(
        interface.name, interface.lane, interface.xdpMode, interface.xskMode, interface.tcMode, "\(interface.queues)",
        reasons.filter { !$0.isEmpty }.joined(separator: "; "))
    }
    return table.text(empty: "no interfaces")
  }

  private func programs(_ answer: FastPathAnswer) -> String {
    var table = Table("PROGRAM", "BPF ID")
    for program in answer.programs { table.row(program.name, "\(program.id)") }
    return table.text(empty: "no BPF programs")
  }

  private func maps(_ answer: FastPathAnswer) -> String {
    var table = Table("MAP", "USED", "OF")
    for map in answer.maps { table.row(map.name, "\(map.used)", "\(map.capacity)") }
    return table.text(empty: "no BPF maps")
  }

  private func sources(_ answer: FastPathAnswer) -> String {
    var table = Table(
      "SOURCE", "ROOM", "NAME", "SSRC", "FROM", "PACKETS", "BYTES", "LIMITED", "LAST SEEN", "LANE", "WHY")
    for source in answer.sources {
      table.row(
        "\(source.id)", source.room ?? "", source.name ?? "", source.ssrc.map { "\($0)" } ?? "", source.remote ?? "",
        "\(source.packets)", "\(source.bytes)", "\(source.rateLimited)", Reading.age(source.lastSeenSecondsAgo),
        source.lane, source.laneReason)
    }
    return table.text(empty: "no sources")
  }

  private func sinks(_ answer: FastPathAnswer) -> String {
    var table = Table(
      "SINK", "SOURCE", "ROOM", "NAME", "SSRC", "TO", "PACKETS", "BYTES", "DROPPED", "LAST SENT", "LANE", "WHY")
    for sink in answer.sinks {
      table.row(
        "\(sink.id)", sink.source.map { "\($0)" } ?? "", sink.room ?? "", sink.name ?? "",
        sink.ssrc.map { "\($0)" } ?? "", sink.remote ?? "", "\(sink.packets)", "\(sink.bytes)", "\(sink.dropped)",
        Reading.age(sink.lastSentSecondsAgo), sink.lane, sink.laneReason)
    }
    return table.text(empty: "no sinks")
  }

  private func verdicts(_ answer: FastPathAnswer) -> String {
    var table = Table("VERDICT", "PACKETS")
    let shown = answer.verdicts.filter { all || $0.count > 0 }
    for verdict in shown { table.row(verdict.name, "\(verdict.count)") }
    let hidden = answer.verdicts.count - shown.count
    let note = hidden == 0 ? "" : "\(Reading.count(hidden, "verdict")) never given (--all shows them)\n"
    return table.text(empty: "no verdicts counted") + note
  }
}
