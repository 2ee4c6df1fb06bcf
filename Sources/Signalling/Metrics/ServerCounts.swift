import Logs

/// What the server counts of itself, beside the calls.
public struct ServerCounts: Sendable {
  public var logLosses = LogLosses()
  public init() {}
}
