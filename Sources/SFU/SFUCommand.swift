import Forwarding
import Wire

/// Everything the SFU asks its loop to do, in order.
public enum SFUCommand: Sendable {
  case send([UInt8], FiveTuple)
  case fastPath(FastPathCommand)
  case message(ConnectionID, ServerMessage)
  /// Close the WebSocket after what was sent before.
  case close(ConnectionID, reason: ErrorCode)
  case respond(RequestID, ResourceResponse)
  case log(LogEvent)
  /// What the input leads to and leaves to later turns: subscribers to bring up to date, and m-lines in the offers to them.
  case leaves(lines: Int)
}

/// One life-cycle event, for the structured log. Never holds keys, tokens or ICE passwords.
public struct LogEvent: Hashable, Sendable {
  public enum Level: Hashable, Sendable { case debug, info, warning, error }
  public var level: Level
  public var message: String
  /// E.g. room, participant, peer, reason.
  public var metadata: [String: String]

  public init(_ level: Level, _ message: String, _ metadata: [String: String] = [:]) {
    self.level = level
    self.message = message
    self.metadata = metadata
  }
}
