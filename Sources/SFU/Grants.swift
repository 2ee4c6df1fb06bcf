/// What the bearer of a token may do; the signalling layer has verified it.
public struct Grants: Hashable, Sendable {
  /// The only room it opens; nil: any.
  public var room: String?
  /// The only participant name it may use; nil: any.
  public var identity: String?
  public var canPublish: Bool
  public var canSubscribe: Bool

  public init(room: String? = nil, identity: String? = nil, canPublish: Bool = true, canSubscribe: Bool = true) {
    self.room = room
    self.identity = identity
    self.canPublish = canPublish
    self.canSubscribe = canSubscribe
  }

  public static let everything = Grants()
}
