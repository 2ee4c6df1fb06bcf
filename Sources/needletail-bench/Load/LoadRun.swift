import DTLS
import Foundation
import Wire

/// One run of the load: its threads and its order of events.
final class LoadRun {
  let progress = LoadProgress()
  private let command: LoadCommand
  private let target: LoadTarget
  private let mailbox: MediaMailbox
  private var signalling: SignallingClient?

  private static let publisherLimit = Interval.seconds(20)
  private static let subscriberLimit = Interval.seconds(30)

  init(_ command: LoadCommand, _ target: LoadTarget) throws {
    self.command = command
    self.target = target
    mailbox = try MediaMailbox()
    let (mailbox, progress) = (mailbox, progress)
    let seconds = UInt64(command.keyFrameInterval)
    let thread = Thread {
      MediaLoop(mailbox: mailbox, progress: progress, keyFrameInterval: seconds > 0 ? .seconds(seconds) : nil).run()
    }
    thread.name = "media"
    thread.start()
  }

  /// Everybody joins: publishers first, then subscribers at the given rate. Returns when all receive, or when those that
  /// do not are given up.
  func connect() throws {
    let start = command.reference ? startReference : try startSignalled()
    for number in 0..<command.publishers { try start(number) }
    wait(limit: Self.publisherLimit) { $0.publishersConnected >= command.publishers }
    let connected = progress.current
    guard connected.publishersConnected > 0 else {
      let reasons = connected.complaints.keys.sorted().joined(separator: "; ")
      throw BenchFailure(
        "no publisher could connect: \(reasons.isEmpty ? "no answer from \(target.address)" : reasons)")
    }
    Progress.note("publishers: \(connected.publishersConnected) of \(command.publishers) connected")
    try joinSubscribers(start)
    wait(limit: Self.subscriberLimit) { $0.receiving >= command.subscribers }
    let state = progress.current
    Progress.note(
      "subscribers: \(state.subscribersConnected) of \(command.subscribers) connected, \(state.receiving) receive media"
    )
  }

  private func joinSubscribers(_ start: (Int) throws -> Void) throws {
    let interval = Interval(nanoseconds: 1_000_000_000 / UInt64(command.joinRate))
    var next = Clock.now
    for number in command.publishers..<command.publishers + command.subscribers {
      Clock.sleep(next.since(Clock.now))
      next = next.advanced(by: interval)
      try start(number)
    }
  }

  func measure() throws -> WindowResult {
    mailbox.put(.beginWindow)
    wait(limit: .seconds(20)) { $0.window != .before }
    mark("window begins")
    Clock.sleep(.seconds(UInt64(command.duration)))
    mark("window ends")
    mailbox.put(.endWindow)
    wait(limit: .seconds(30)) { $0.window == .over }
    mark("window drained")
    // Whoever watches looks at the server before everybody leaves.
    if command.marks { Clock.sleep(.seconds(1)) }
    guard let result = progress.current.result else { throw BenchFailure("the media thread does not answer") }
    return result
  }

  func stop() {
    mailbox.put(.stop)
    wait(limit: .seconds(5)) { $0.hasStopped }
    signalling?.stop()
  }

  private func wait(limit: Interval, until holds: (LoadProgress.State) -> Bool) {
    let deadline = Clock.now.advanced(by: limit)
    while !holds(progress.current), Clock.now < deadline { Clock.sleep(.milliseconds(10)) }
  }

  /// For people: how far it is.

  /// For a program that measures the server from outside.
  private func mark(_ text: String) {
    guard command.marks else { return }
    FileHandle.standardOutput.write(Data("\(text)\n".utf8))
  }
}

// MARK: Participants

extension LoadRun {
  private func startSignalled() throws -> (Int) throws -> Void {
    let client = try SignallingClient(target: target, verifiesCertificate: !command.insecure)
    signalling = client
    let certificate = try DTLSCertificate.generate()
    return { [self] number in
      let publishes = number < command.publishers
      client.start(
        ParticipantPlan(
          number: number, publishes: publishes, isSampled: !publishes && isSampled(number - command.publishers),
          room: command.room,
          name: publishes ? "publisher \(number + 1)" : "subscriber \(number + 1 - command.publishers)",
          token: command.token, videoBitrate: command.videoBitrate, certificate: certificate, target: target,
          mailbox: mailbox, progress: progress))
    }
  }

  /// The reference forwarder has no signalling: sockets register themselves, keys are known.
  private func startReference(_ number: Int) throws {
    let isPublisher = number < command.publishers
    let sink = number - command.publishers
    let keys = try ReferenceKeys.keys(of: isPublisher ? nil : sink)
    let role: PeerDescription.Role =
      isPublisher
      ? .publisher(
        PublishedMedia(
          audioSSRC: ReferenceKeys.audioSSRC, videoSSRC: ReferenceKeys.videoSSRC, videoBitrate: command.videoBitrate))
      : .subscriber([ReferenceKeys.audioSSRC, ReferenceKeys.videoSSRC])
    progress.update { $0.joined += 1 }
    mailbox.put(
      .add(
        PeerDescription(
          id: number, role: role,
          security: .fixed(inbound: keys, outbound: keys, greeting: ReferenceKeys.greeting(isPublisher ? nil : sink)),
          candidates: [target.address], joinSentAt: Clock.realtime, isSampled: !isPublisher && isSampled(sink))))
  }

  /// The sample is spread over the order of joining, first and last included: who joins last may be served last.
  private func isSampled(_ subscriber: Int) -> Bool {
    let count = min(command.sample, command.subscribers)
    guard count > 1 else { return count == 1 && subscriber == 0 }
    return (0..<count).contains { $0 * (command.subscribers - 1) / (count - 1) == subscriber }
  }
}
