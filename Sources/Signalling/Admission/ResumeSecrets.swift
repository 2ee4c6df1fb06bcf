import NIOCore

/// The secrets with which those who have joined may come back; of who was cut off, for a minute more. Whether there is
/// still a call to come back to is the SFU's to say: these only open the door.
struct ResumeSecrets {
  private static let memory = TimeAmount.seconds(60)

  private let capacity: Int
  /// When each is forgotten.
  private var secrets: [String: NIODeadline] = [:]

  init(capacity: Int) { self.capacity = capacity }

  func holds(_ secret: String, now: NIODeadline) -> Bool { secrets[secret].map { now < $0 } ?? false }

  /// Its bearer has a connection.
  mutating func given(_ secret: String, now: NIODeadline) {
    makeRoom(now)
    if secrets.count < capacity { secrets[secret] = .distantFuture }
  }

  /// Its bearer's connection ended.
  mutating func cutOff(_ secret: String, now: NIODeadline) {
    if secrets[secret] != nil { secrets[secret] = now + Self.memory }
  }

  /// Its bearer has left.
  mutating func forget(_ secret: String) { secrets[secret] = nil }

  private mutating func makeRoom(_ now: NIODeadline) {
    guard secrets.count >= capacity else { return }
    secrets = secrets.filter { now < $0.value }
    // Else those who have a connection go first.
    if secrets.count >= capacity { secrets = secrets.filter { $0.value == .distantFuture } }
  }
}
