import NIOCore
import SFU

/// The secrets with which those who have joined may come back; of who was cut off, for a minute more. Whether there is
/// still a call to come back to is the SFU's to say: these only open the door, also to a bearer whose token has expired
/// meanwhile.
struct ResumeSecrets {
  private static let memory = TimeAmount.seconds(60)

  private struct Entry {
    /// When it is forgotten.
    var end: NIODeadline
    /// What its bearer was let in with.
    var grants: Grants
  }

  private let capacity: Int
  private var secrets: [String: Entry] = [:]

  init(capacity: Int) { self.capacity = capacity }

  func holds(_ secret: String, now: NIODeadline) -> Bool { grants(of: secret, now: now) != nil }

  /// nil if it is not good any more.
  func grants(of secret: String, now: NIODeadline) -> Grants? {
    secrets[secret].flatMap { now < $0.end ? $0.grants : nil }
  }

  /// Its bearer has a connection.
  mutating func given(_ secret: String, _ grants: Grants, now: NIODeadline) {
    makeRoom(now)
    if secrets.count < capacity { secrets[secret] = Entry(end: .distantFuture, grants: grants) }
  }

  /// Its bearer's connection ended.
  mutating func cutOff(_ secret: String, now: NIODeadline) {
    secrets[secret]?.end = now + Self.memory
  }

  /// Its bearer has left, or was sent away.
  mutating func forget(_ secret: String) { secrets[secret] = nil }

  private mutating func makeRoom(_ now: NIODeadline) {
    guard secrets.count >= capacity else { return }
    secrets = secrets.filter { now < $0.value.end }
    // Else those who have a connection go first.
    if secrets.count >= capacity { secrets = secrets.filter { $0.value.end == .distantFuture } }
  }
}
