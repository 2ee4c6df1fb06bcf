import ArgumentParser
import Foundation

/// The operator's tool. Speaks only to the admin API on the server's Unix socket; `doctor` needs no server.
@main
struct Needlectl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "needlectl",
    abstract: "Looks into a running needletail server and steers it.",
    discussion: """
      Exit codes: 0 done, 1 not found, refused, or the output could not be written, 2 wrong usage, 3 server not reachable.
      """,
    version: "0.1.0",
    subcommands: [
      Status.self, Rooms.self, Participants.self, Streams.self, Kick.self, Mute.self, Close.self, Drain.self,
      FastPath.self, Trace.self, Capture.self, ClearRTP.self,
      Token.self, Doctor.self,
    ])

  static func main() {
    do {
      try carryOut()
    } catch let error as AdminError {
      standardError(error.description)
      Foundation.exit(error.exitCode)
    } catch let error as OutputError {
      // Whoever closed a pipe had read enough.
      if error.number != EPIPE { standardError(error.description) }
      Foundation.exit(1)
    } catch let status as ExitCode {
      Foundation.exit(status.rawValue)
    } catch {
      standardError(fullMessage(for: error))
      Foundation.exit(2)
    }
  }

  private static func carryOut() throws {
    do {
      var command = try parseAsRoot(commonOptionsLast(Array(CommandLine.arguments.dropFirst())))
      try command.run()
    } catch  where exitCode(for: error) == .success {
      try standardOutput(fullMessage(for: error))  // help that was asked for
    }
  }
}

extension Needlectl {
  /// What every command takes may stand before the command as well.
  static func commonOptionsLast(_ arguments: [String]) -> [String] {
    var rest = arguments[...]
    var common: [String] = []
    while let first = rest.first {
      if first == "--json" || first.hasPrefix("--socket=") {
        common.append(rest.removeFirst())
      } else if first == "--socket", rest.count > 1 {
        common += rest.prefix(2)
        rest = rest.dropFirst(2)
      } else {
        break
      }
    }
    return Array(rest) + common
  }
}

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print JSON, for programs.")
  var json = false

  @Option(help: "The server's admin socket (environment: NEEDLETAIL_ADMIN_SOCKET).")
  var socket: String?

  var client: AdminClient { AdminClient(path: socket ?? AdminClient.defaultPath) }

  /// Prints the server's answer: as it is, or as `table` shows it.
  func show<Answer: Decodable>(_ body: Data, as type: Answer.Type, _ table: (Answer) -> String) throws {
    if json { return try standardOutput(String(decoding: body, as: UTF8.self)) }
    guard let answer = try? JSONDecoder().decode(Answer.self, from: body) else {
      throw AdminError.refused("the server's answer is not understood; is it of another version?")
    }
    try standardOutput(table(answer), terminator: "")
  }
}
