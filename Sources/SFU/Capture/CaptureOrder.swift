import Forwarding

/// What an operator wants captured.
public struct CaptureOrder: Hashable, Sendable {
  public var room: String
  /// Only what this participant (by id, else by name) sends and gets; nil: everyone in the room, whenever they join.
  public var participant: String?
  /// RTP and RTCP in clear: the file then holds what people say and show.
  public var isDecrypted: Bool
  /// The longest that it goes on.
  public var seconds: Int
  /// The time of day when the order is given, in nanoseconds since 1970.
  public var timeOfDay: UInt64

  /// How long a capture may be, in seconds.
  public static let durations = 1...600

  public init(room: String, participant: String? = nil, isDecrypted: Bool = false, seconds: Int, timeOfDay: UInt64) {
    self.room = room
    self.participant = participant
    self.isDecrypted = isDecrypted
    self.seconds = seconds
    self.timeOfDay = timeOfDay
  }
}

/// What was captured since it was last read.
public struct CaptureReport: Hashable, Sendable {
  /// The next part of a pcapng file: whole blocks.
  public var blocks: [UInt8]
  /// Since the capture began: packets in the file, and those that there was no room for.
  public var packets: UInt64
  public var dropped: UInt64
  /// Why the capture is over; this is then its last part. nil: it goes on.
  public var ended: String?

  public init(blocks: [UInt8], packets: UInt64, dropped: UInt64, ended: String? = nil) {
    self.blocks = blocks
    self.packets = packets
    self.dropped = dropped
    self.ended = ended
  }
}
