import Logging
import SFU
import Signalling
import Synchronization
import Testing

/// Keeps what is logged.
final class LogRecord: Sendable {
  private let lines = Mutex<[String]>([])

  var text: String { lines.withLock { $0.joined(separator: "\n") } }

  var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(record: self) }
    logger.logLevel = .trace
    return logger
  }

  private struct Handler: LogHandler {
    let record: LogRecord
    var metadata = Logger.Metadata()
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: Logging.LogEvent) {
      record.lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }
  }
}

/// Keys, tokens and what clients say do not reach the log.
@Suite struct LogTests {
  @Test func leavesOutTheSessionsSecret() throws {
    let record = LogRecord()
    let tokens = SessionTokens(secret: "0123456789abcdef0123456789abcdef")
    let server = try TestServer(tokens: tokens, log: record.logger)
    let client = try TestClient(port: server.port)
    #expect(try client.request("DELETE", "/whip/room/name/s3cr3t").status == 401)
    #expect(try client.request("POST", "/whip/room/other", body: "v=0").status == 401)
    #expect(record.text.contains("/whip/room/name") && record.text.contains("/whip/room/other"))
    #expect(!record.text.contains("s3cr3t"))
  }

  @Test func leavesOutWhatComesAfterAViolation() throws {
    let record = LogRecord()
    let server = try TestServer(log: record.logger)
    let client = try TestClient(port: server.port)
    #expect(try client.openWebSocket() == 101)
    client.send(frame: 9, [UInt8](repeating: 1, count: 200))
    #expect(try client.closeFrame().code == 1002)
    client.send([0xab, 0xcd, 0xef, 0x12])
    _ = try client.drain()
    #expect(record.text.contains("connection failed") && !record.text.lowercased().contains("abcdef12"))
  }
}
