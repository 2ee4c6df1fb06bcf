import Foundation
import Logging
import Logs
import Signalling

/// `needletail [--config FILE]`: reads the configuration, starts the server, and does what signals ask of it.
@main
struct Needletail {
  static let version = "0.1.0"

  static func main() {
    let arguments = CommandLineArguments(CommandLine.arguments.dropFirst())
    if arguments.wantsHelp { return print(Usage.help, terminator: "") }
    if arguments.wantsVersion { return print("needletail \(version)") }
    if arguments.wantsReference { return print(Usage.reference, terminator: "") }
    let (configuration, warnings) = read(arguments)
    if arguments.wantsCheck { return approve(configuration, warnings) }
    Signal.block()
    let lines = LineLog(descriptor: STDERR_FILENO, format: LineFormat(rawValue: configuration.logFormat) ?? .text)
    let output = LineWriter(descriptor: STDOUT_FILENO)
    let log = bootstrap(lines, configuration)
    StartupNotes.announceMode(configuration, output, log)
    for warning in warnings { log.warning("\(warning)") }
    OpenFiles.allow(SignallingLimits.connectionsInAll(configuration.maximumConnections), log: log)
    do {
      let server = try RunningServer(configuration, log: log, losses: { lines.losses })
      StartupNotes.announceURLs(configuration, port: server.port, output)
      log.notice("ready", metadata: ["signal": "SIGINT or SIGTERM stops"])
      let signal = signalToStop(server, configuration)
      log.notice("stopping", metadata: ["signal": "\(signal.rawValue)"])
      exitAtNextSignal()
      server.stop()
      log.notice("stopped")
      output.flush(milliseconds: 500)
      lines.flush(milliseconds: 1500)
    } catch {
      lines.write("needletail: \(error)")
      lines.flush(milliseconds: 2000)
      exit(1)
    }
  }

  private static func read(_ arguments: CommandLineArguments) -> (ServerConfiguration, [String]) {
    do throws(ConfigurationErrors) {
      return try ConfigurationReader.read(arguments, environment: ProcessInfo.processInfo.environment)
    } catch {
      fail(error.errors.map(\.description), status: 2)
    }
  }

  private static func approve(_ configuration: ServerConfiguration, _ warnings: [String]) {
    do throws(ConfigurationError) { try WebCertificate.checkDevelopment(configuration) } catch {
      fail([error.description], status: 2)
    }
    for warning in warnings { StandardStream.error.write("needletail: \(warning)") }
    StandardStream.output.write("the configuration is good")
  }

  private static func bootstrap(_ lines: LineLog, _ configuration: ServerConfiguration) -> Logger {
    let level = Logger.Level(name: configuration.logLevel)
    LoggingSystem.bootstrap { _ in LineLogHandler(lines, logLevel: level) }
    return Logger(label: "needletail")
  }

  /// SIGHUP asks for the certificate to be read anew; from a development server, that its terminal was closed.
  private static func signalToStop(_ server: RunningServer, _ configuration: ServerConfiguration) -> Signal {
    while true {
      let signal = Signal.wait()
      if signal != .hangUp || configuration.isDevelopment { return signal }
      server.reloadCertificate()
    }
  }

  /// Whoever asks twice wants it now. The kernel then detaches the programs, which die with their owner.
  private static func exitAtNextSignal() {
    Thread.detachNewThread {
      while Signal.wait() == .hangUp {}
      _exit(130)
    }
  }

  private static func fail(_ messages: [String], status: Int32) -> Never {
    for message in messages { StandardStream.error.write("needletail: \(message)") }
    exit(status)
  }
}
