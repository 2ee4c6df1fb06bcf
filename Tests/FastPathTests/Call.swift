import FastPath
import Forwarding
import Glibc
import Synchronization
import Wire

/// A fast path in clear RTP with one publisher and its receivers, and everything it tells.
final class Call: Sendable {
  let fastPath: FastPath
  let told: Told

  final class Told: Sendable {
    private let events = Mutex<[FastPathEvent]>([])
    private let log = Mutex<[String]>([])
    private let gate = Mutex(())

    func add(_ new: [FastPathEvent]) {
      events.withLock { $0 += new }
      gate.withLock { _ in }
    }

    /// Keeps the worker, whose thread tells, from receiving while `body` runs: what that sends, it finds all at once.
    func holdWorker(by client: UDPClient, at media: SocketAddress, _ body: () -> Void) {
      gate.withLock { _ in
        let before = all.count
        client.send([0, 0, 0, 0], to: media)
        _ = eventually { all.count > before }
        body()
      }
    }

    func say(_ level: String, _ line: String) { log.withLock { $0.append("\(level): \(line)") } }
    var all: [FastPathEvent] { events.withLock { $0 } }
    var lines: [String] { log.withLock { $0 } }
  }

  init(_ configuration: FastPathConfiguration) throws {
    let told = Told()
    self.told = told
    fastPath = try FastPath(
      configuration: configuration, log: { level, line, _ in told.say(level, line) }, events: { told.add($0) })
  }

  /// One publisher at `publisher` sending `ssrc`, and a sink to each of `receivers`, numbered from 0: SSRC 1000 +
  /// number.
  func connect(_ local: IPAddress, publisher: SocketAddress, ssrc: UInt32, receivers: [SocketAddress]) {
    let local = SocketAddress(local, fastPath.boundPort)
    var commands: [FastPathCommand] = [
      .addTransport(
        Transport(
          id: TransportID(rawValue: 1), tuple: FiveTuple(local: local, remote: publisher), protection: .clear)),
      .addSource(
        Source(
          id: SourceID(rawValue: 1), transport: TransportID(rawValue: 1), ssrc: ssrc, kind: .video, clockRate: 90_000)),
    ]
    for (number, receiver) in receivers.enumerated() {
      let transport = TransportID(rawValue: 100 + UInt32(number))
      commands.append(
        .addTransport(Transport(id: transport, tuple: FiveTuple(local: local, remote: receiver), protection: .clear)))
      commands.append(
        .addSink(
          Sink(
            id: SinkID(rawValue: UInt32(number)), source: SourceID(rawValue: 1), transport: transport,
            ssrc: 1000 + UInt32(number), payloadTypes: [96: 100])))
    }
    fastPath.perform(commands)
  }

  /// An RTP packet of payload type 96.
  static func packet(_ sequence: UInt16, ssrc: UInt32, payloadLength: Int = 100) -> [UInt8] {
    var writer = ByteWriter()
    writer.u8(0x80)
    writer.u8(96)
    writer.u16(sequence)
    writer.u32(UInt32(sequence) &* 3000)
    writer.u32(ssrc)
    writer.append((0..<payloadLength).map { UInt8(truncatingIfNeeded: $0) })
    return writer.bytes
  }

  static func ssrc(_ packet: [UInt8]) -> UInt32? {
    guard packet.count >= 12 else { return nil }
    var reader = ByteReader(packet[8...])
    return reader.u32()
  }
}

/// Waits until `condition` holds; false if it does not within the time.
func eventually(seconds: Double = 30, _ condition: () -> Bool) -> Bool {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  let end = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 + seconds
  while true {
    if condition() { return true }
    clock_gettime(CLOCK_MONOTONIC, &time)
    if Double(time.tv_sec) + Double(time.tv_nsec) / 1e9 > end { return false }
    poll(nil, 0, 5)
  }
}
