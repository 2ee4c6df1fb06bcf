import Logging

/// Writes each event to a `LineLog`.
public struct LineLogHandler: LogHandler {
  private let log: LineLog
  public var logLevel: Logger.Level
  public var metadata: Logger.Metadata = [:]

  public init(_ log: LineLog, logLevel: Logger.Level) {
    self.log = log
    self.logLevel = logLevel
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    log.write(event.level, "\(event.message)", metadata.merging(event.metadata ?? [:]) { $1 })
  }
}
