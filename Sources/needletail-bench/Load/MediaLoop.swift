import Glibc
import RTP
import SRTP
import Wire

/// The media side of the load client, on a thread of its own: every socket, every transport, the publishers' pacing.
///
/// A few sockets are read as datagrams come, and so is every transport that is being set up. Many receivers are read in
/// rounds, several datagrams per call, so that one core can play a thousand; the latencies measured do not suffer, since
/// the kernel stamps arrivals.
final class MediaLoop {
  private let mailbox: MediaMailbox
  private let progress: LoadProgress
  private var engine = CryptographyEngine()
  private var whole = ReceiveBatch(datagramCapacity: 2048)
  private var headers = ReceiveBatch(datagramCapacity: 64)
  private let scratch = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64)
  private var peers: [MediaPeer] = []
  private var settingUp: [MediaPeer] = []
  private var publishers: [MediaPeer] = []
  /// Whose sockets are polled; the first entry of `pollSet` is the mailbox.
  private var watched: [MediaPeer] = []
  private var pollSet: [pollfd] = []
  private var meter = WindowMeter()
  private var nextRound: Instant = .zero
  private var nextTick: Instant = .zero
  private var isStopped = false
  private let keyFrameInterval: Interval?
  private var nextKeyFrameRequest: Instant = .zero

  /// With more transports than this, sockets are read in rounds.
  private static let fewTransports = 32
  private static let roundInterval = Interval.milliseconds(20)
  private static let tickInterval = Interval.milliseconds(50)

  /// `keyFrameInterval`: how often subscribers ask for key frames; nil: never.
  init(mailbox: MediaMailbox, progress: LoadProgress, keyFrameInterval: Interval?) {
    self.mailbox = mailbox
    self.progress = progress
    self.keyFrameInterval = keyFrameInterval
  }

  deinit { scratch.deallocate() }

  /// Returns after `.stop`.
  func run() {
    watch()
    while !isStopped {
      for command in mailbox.take() { perform(command) }
      publish()
      tick()
      advanceWindow()
      wait()
    }
    for peer in peers { peer.close() }
    progress.update { $0.hasStopped = true }
  }
}

// MARK: Commands

extension MediaLoop {
  private func perform(_ command: MediaCommand) {
    switch command {
    case .add(let description): add(description)
    case .update(let id, let ssrcs): peers.first { $0.description.id == id }?.reception?.update(ssrcs)
    case .remove(let id):
      for peer in peers where peer.description.id == id { peer.close() }
      forgetEnded()
    case .beginWindow: meter.begin(at: Clock.now)
    case .endWindow: meter.end(at: Clock.now)
    case .stop: isStopped = true
    }
  }

  private func add(_ description: PeerDescription) {
    do {
      let peer = try MediaPeer(description, engine: engine, now: Clock.now)
      peers.append(peer)
      settingUp.append(peer)
      watch()
    } catch {
      progress.complain("\(error)")
      progress.update { $0.failedPeers += 1 }
    }
  }

  private var readsInRounds: Bool { peers.count > Self.fewTransports }

  /// Polls what is to be read at once.
  private func watch() {
    watched = readsInRounds ? settingUp : peers
    pollSet = [pollfd(fd: mailbox.readEnd, events: Int16(POLLIN), revents: 0)]
    pollSet += watched.map { pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0) }
  }

  private func forgetEnded() {
    let ended = peers.filter { $0.phase == .ended }
    guard !ended.isEmpty else { return }
    for peer in ended {
      guard let failure = peer.failure else { continue }
      progress.complain(failure)
      progress.update { $0.failedPeers += 1 }
    }
    peers.removeAll { $0.phase == .ended }
    settingUp.removeAll { $0.phase == .ended }
    publishers.removeAll { $0.phase == .ended }
    watch()
  }
}

// MARK: Time

extension MediaLoop {
  private func publish() {
    guard !meter.isPaused else { return }
    let now = Clock.now
    for peer in publishers {
      peer.publication?.send(to: peer.socket, scratch: scratch, engine: &engine, now: now)
    }
  }

  private var nextSend: Instant? {
    meter.isPaused ? nil : publishers.lazy.compactMap { $0.publication?.nextSend }.min()
  }

  private func tick() {
    let now = Clock.now
    for peer in settingUp { peer.tick(now, engine: engine) }
    noteConnected()
    guard now >= nextTick else { return }
    nextTick = now.advanced(by: Self.tickInterval)
    for peer in peers where peer.phase == .connected { peer.tick(now, engine: engine) }
    requestKeyFrames(now)
    forgetEnded()
    let receiving = peers.count { $0.reception?.firstArrival != nil }
    progress.update { $0.receiving = receiving }
  }

  private func requestKeyFrames(_ now: Instant) {
    guard let keyFrameInterval, now >= nextKeyFrameRequest else { return }
    nextKeyFrameRequest = now.advanced(by: keyFrameInterval)
    for peer in peers {
      for stream in peer.reception?.streams ?? [] { peer.requestKeyFrame(of: stream.ssrc) }
    }
  }

  private func noteConnected() {
    let connected = settingUp.filter { $0.phase == .connected }
    guard !connected.isEmpty else { return }
    settingUp.removeAll { $0.phase == .connected }
    watch()
    let newPublishers = connected.filter { $0.publication != nil }
    publishers += newPublishers
    progress.update {
      $0.publishersConnected += newPublishers.count
      $0.subscribersConnected += connected.count - newPublishers.count
    }
  }

  private func advanceWindow() {
    let now = Clock.now
    guard let step = meter.due(at: now) else { return }
    readAll()
    switch step {
    case .beginMeasuring:
      for peer in publishers { peer.publication?.resume(at: now) }
      meter.start(peers, at: now)
      progress.update { $0.window = .measuring }
    case .finish:
      let result = meter.finish(peers)
      progress.update {
        $0.result = result
        $0.window = .over
      }
      for peer in publishers { peer.publication?.resume(at: now) }
    }
  }
}

// MARK: Reading

extension MediaLoop {
  /// Reads what comes until the next packet is to be sent or the next round is due.
  private func wait() {
    let now = Clock.now
    if readsInRounds, now >= nextRound {
      nextRound = now.advanced(by: Self.roundInterval)
      return readAll()
    }
    let round = readsInRounds ? nextRound : now.advanced(by: .milliseconds(5))
    let wait = min(nextSend ?? round, round).since(now)
    // poll counts in milliseconds: the rest is slept, which only delays reading.
    let milliseconds = CInt(clamping: wait.nanoseconds / 1_000_000)
    if milliseconds == 0, wait.nanoseconds > 20_000 { Clock.sleep(wait) }
    guard poll(&pollSet, nfds_t(pollSet.count), milliseconds) > 0 else { return }
    for (entry, peer) in zip(pollSet.dropFirst(), watched) where entry.revents != 0 { read(peer) }
  }

  private func readAll() {
    for (index, peer) in peers.enumerated() {
      read(peer)
      if index % 32 == 31 { publish() }
    }
  }

  private func read(_ peer: MediaPeer) {
    // A connected receiver that is not sampled is only counted; of what it gets, headers suffice.
    let isCounted = peer.phase == .connected && peer.publication == nil && !peer.description.isSampled
    var count: Int
    repeat {
      count = isCounted ? headers.receive(from: peer.socket.descriptor) : whole.receive(from: peer.socket.descriptor)
      for i in 0..<count {
        if isCounted {
          take(headers.datagram(i), arrival: headers.arrival(i), by: peer, isWhole: false)
        } else {
          take(whole.datagram(i), arrival: whole.arrival(i), by: peer, isWhole: true)
        }
      }
    } while count == ReceiveBatch.capacity
  }

  @inline(__always)
  private func take(_ datagram: UnsafeMutableRawBufferPointer, arrival: UInt64?, by peer: MediaPeer, isWhole: Bool) {
    guard datagram.count >= 2 else { return }
    if DatagramKind(firstByte: datagram[0], secondByte: datagram[1]) == .rtp {
      if meter.isPaused { meter.noteArrival(at: Clock.now) }
      let latency = peer.reception?.take(datagram, arrival: arrival ?? Clock.realtime, engine: &engine)
      if let latency { meter.record(latency) }
    } else if isWhole {
      peer.receivedControl(Array(datagram), engine: engine, now: Clock.now)
    }
  }
}
