import ArgumentParser
import Foundation

/// The operator's tool. Speaks only to the admin API on the server's Unix socket; `doctor` needs no server.
@main
struct Needlectl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "needlectl",
    abstract: "Looks into a running needletail server and steers it.",
    discussion: """
      Exit codes: 0 done, 1 not found or refused, 2 wrong usage, 3 server not reachable.
      """,
    version: "0.1.0",
    subcommands: [
      Status.self, Rooms.self, Participants.self, Streams.self, Kick.self, Mute.self, Close.self, Drain.self,
      FastPath.self, Trace.self, Capture.self, ClearRTP.self,
      Token.self, Doctor.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as AdminError {
      standardError(error.description)
      Foundation.exit(error.exitCode)
    } catch let status as ExitCode {
      Foundation.exit(status.rawValue)
    } catch {
      let isHelp = exitCode(for: error) == .success
      let text = fullMessage(for: error)
      if isHelp { print(text) } else { standardError(text) }
      Foundation.exit(isHelp ? 0 : 2)
    }
  }
}

func standardError(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print JSON, for programs.")
  var json = false

  @Option(help: "The server's admin socket (environment: NEEDLETAIL_ADMIN_SOCKET).")
  var socket: String?

  var client: AdminClient { AdminClient(path: socket ?? AdminClient.defaultPath) }

  /// Prints the server's answer: as it is, or as `table` shows it.
  func show<Answer: Decodable>(_ body: Data, as type: Answer.Type, _ table: (Answer) -> String) throws {
    if json { return print(String(decoding: body, as: UTF8.self)) }
    do {
      print(table(try JSONDecoder().decode(Answer.self, from: body)), terminator: "")
    } catch {
      throw AdminError.refused("the server's answer is not understood; is it of another version?")
    }
  }
}
