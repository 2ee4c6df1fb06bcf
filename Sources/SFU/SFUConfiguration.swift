import Forwarding
import Wire

/// What the SFU needs to know of its host and its limits.
public struct SFUConfiguration: Sendable {
  /// Host candidates for every answer and offer, most preferred first.
  public var candidates: [SocketAddress]
  public var maximumRooms: Int
  public var maximumParticipantsPerRoom: Int
  /// m-lines a participant may publish; the rest of an offer is refused.
  public var maximumTracksPerParticipant: Int
  /// Of every source that has no limit of its own.
  public var rateLimit: RateLimit
  /// Told to every client that joins.
  public var iceServers: [ICEServer]
  /// Whether clients are known by tokens: then only one that is for its name may take a publisher's place.
  public var requiresTokens: Bool

  public init(
    candidates: [SocketAddress], maximumRooms: Int = 1000, maximumParticipantsPerRoom: Int = 1000,
    maximumTracksPerParticipant: Int = 16, rateLimit: RateLimit = RateLimit(),
    iceServers: [ICEServer] = [], requiresTokens: Bool = false
  ) {
    self.candidates = candidates
    self.maximumRooms = maximumRooms
    self.maximumParticipantsPerRoom = maximumParticipantsPerRoom
    self.maximumTracksPerParticipant = maximumTracksPerParticipant
    self.rateLimit = rateLimit
    self.iceServers = iceServers
    self.requiresTokens = requiresTokens
  }
}
