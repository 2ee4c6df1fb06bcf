import Logs

/// What the server counts of itself, beside the calls.
public struct ServerCounts: Sendable {
  public var logLosses = LogLosses()
  /// Open now, HTTP and WebSocket.
  public var connections = 0
  /// By the limit that there was no room within.
  public var refusedConnections: [String: UInt64] = [:]
  /// Taken up later than they came, since others came fast from their address.
  public var delayedConnections: UInt64 = 0
  /// How often a client was not read for a while, since its messages took more of the event loop than its share.
  public var pauses: UInt64 = 0
  /// Octets of unfinished messages and bodies beyond what each connection may hold without asking, now.
  public var unfinishedBytes = 0
  /// Messages and requests dropped because all of them together were too large.
  public var unfinishedRefused: UInt64 = 0
  public var turns = TurnTimes()
  public init() {}
}
