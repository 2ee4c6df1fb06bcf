import ArgumentParser
import Foundation

/// `needletail-bench lanes`: the lanes alone, over veth.
struct LanesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lanes", abstract: "The lanes against plain sending loops over veth. Needs root.")

  @Flag(help: "Measure clear RTP alone.") var clear = false

  @Flag(help: "Measure encrypted RTP alone.") var encrypted = false

  @Option(help: "Turns of each way to forward.") var rounds = 3

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("How many receivers clear RTP has, in turn.", valueName: "count"))
  var sinks = KernelLaneBench().fanouts

  @Option(help: "Write a picture (SVG) of what clear RTP costs to this file.") var picture: String?

  func validate() throws {
    guard rounds >= 1 else { throw ValidationError("--rounds is 1 or more.") }
    guard sinks.allSatisfy({ 1...256 ~= $0 }) else { throw ValidationError("--sinks are 1 to 256 each.") }
  }

  func run() throws {
    if !clear {
      print("SRTP, re-encrypted for each of 16 receivers\n")
      print(LaneBench.table(try LaneBench(rounds: rounds).run()))
    }
    guard !encrypted else { return }
    print("\nclear RTP, in the kernel or by plain loops that rewrite the same headers\n")
    let (costs, delays) = try KernelLaneBench(fanouts: sinks, rounds: rounds).run()
    print(KernelLaneBench.table(costs))
    print("\nclear RTP, delay from the publisher's send to the receivers' interface, 16 sinks\n")
    print(KernelLatencyBench.table(delays))
    if let picture { try CostPicture.svg(costs).write(toFile: picture, atomically: true, encoding: .utf8) }
  }
}
