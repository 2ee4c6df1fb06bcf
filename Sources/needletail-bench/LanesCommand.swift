import ArgumentParser

/// `needletail-bench lanes`: the lanes alone, over veth.
struct LanesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lanes", abstract: "The lanes against sendmsg + libsrtp loops over veth. Needs root.")

  @Flag(help: "Measure clear RTP alone.") var clear = false

  @Option(help: "Turns of each way to forward clear RTP.") var rounds = 3

  func run() throws {
    if !clear { print(LaneBench.table(try LaneBench().run())) }
    print("\nclear RTP, in the kernel or by plain loops that rewrite the same headers\n")
    print(KernelLaneBench.table(try KernelLaneBench(rounds: rounds).run()))
  }
}
