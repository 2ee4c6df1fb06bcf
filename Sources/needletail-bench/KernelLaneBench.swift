import CXDP
import FastPath
import Forwarding
import Glibc
import Synchronization
import Wire

/// What one copy of clear RTP costs, network included: forwarded in the kernel by XDP and by TC, and by plain loops that
/// rewrite the same headers and send with sendmmsg or sendmsg, in turns within one run.
///
/// Counted is the processor time of the thread that forwards and of the NAPI thread of the server's end of the cable,
/// which is where the kernel lane runs. Sender and receivers run on the other processor and are not counted.
struct KernelLaneBench {
  enum Path: String, CaseIterable {
    case xdp = "XDP"
    case tc = "TC"
    case sendmmsg, sendmsg
  }

  struct Row {
    var fanout: Int
    var nanosecondsPerCopy: [Path: Double]
  }

  var fanouts = [1, 4, 16, 64, 256]
  var payloadLength = 1188
  var copiesPerSecond = 60_000
  var rounds = 3
  var secondsPerRound = 1.0

  private static let serverCPU = 0
  private static let clientCPU = 1

  func run() throws -> [Row] {
    guard geteuid() == 0 else { throw BenchFailure("the lanes are measured in network namespaces: run as root") }
    let cleanup = Cleanup()
    defer { cleanup.run() }
    let signals = cleanup.watchSignals()
    defer { withExtendedLifetime(signals) {} }
    let pair = try NetworkPair(cleanup: cleanup)
    // A veth says that XDP can send by it only if GRO came on at its other end while both were up.
    for state in ["off", "on"] {
      try Shell.run("ip", "netns", "exec", pair.client, "ethtool", "-K", "peer0", "gro", state)
    }
    try pair.pinThreads(serverCPU: Self.serverCPU, clientCPU: Self.clientCPU)
    // Otherwise each copy wakes a thread on the other processor at the sender's expense, which no network card does.
    let settings = "cd /sys/class/net/peer0 && echo 1000 > napi_defer_hard_irqs && echo 50000 > gro_flush_timeout"
    try Shell.run("ip", "netns", "exec", pair.client, "sh", "-c", settings)
    return try fanouts.map { try measure(fanout: $0, pair) }
  }

  static func table(_ rows: [Row]) -> String {
    var lines = [
      "sinks   " + Path.allCases.map { pad($0.rawValue + " ns", 14) }.joined()
        + "XDP vs sendmmsg  vs sendmsg  TC vs sendmmsg"
    ]
    for row in rows {
      let cost = { (path: Path) in row.nanosecondsPerCopy[path] ?? .nan }
      let ratio = { (a: Path, b: Path) in "\((cost(a) / cost(b) * 10).rounded() / 10)" }
      lines.append(
        pad("\(row.fanout)", 8) + Path.allCases.map { pad("\(cost($0).rounded())", 14) }.joined()
          + pad(ratio(.sendmmsg, .xdp), 17) + pad(ratio(.sendmsg, .xdp), 12) + ratio(.sendmmsg, .tc))
    }
    return lines.joined(separator: "\n")
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  // MARK: One fan-out

  private func measure(fanout: Int, _ pair: NetworkPair) throws -> Row {
    guard let client = IPAddress(NetworkPair.clientAddress), let server = IPAddress(NetworkPair.serverAddress) else {
      throw BenchFailure("no addresses")
    }
    let sockets = try LaneScene.inside(pair.client) {
      try (0...fanout).map { _ in try LaneScene.openSocket(client, port: 0) }
    }
    defer { for socket in sockets { close(socket.0) } }
    let media = SocketAddress(server, 3479)
    var costs: [Path: [Double]] = [:]
    for _ in 0..<rounds {
      for path in Path.allCases {
        let addresses = sockets.map(\.1)
        let subject: any KernelLaneSubject = try LaneScene.inside(pair.server) {
          switch path {
          case .xdp, .tc: try ClearFastPath(media, addresses, avoidsXDP: path == .tc, cpu: Self.serverCPU)
          case .sendmmsg, .sendmsg: try ClearLoop(media, addresses, sendsMany: path == .sendmmsg, cpu: Self.serverCPU)
          }
        }
        defer { subject.stop() }
        costs[path, default: []].append(try measure(subject, path, from: sockets[0].0, to: media, pair, fanout))
      }
    }
    return Row(fanout: fanout, nanosecondsPerCopy: costs.mapValues { $0.sorted()[$0.count / 2] })
  }

  private func measure(
    _ subject: any KernelLaneSubject, _ path: Path, from socket: CInt, to media: SocketAddress, _ pair: NetworkPair,
    _ fanout: Int
  ) throws -> Double {
    // So many at once that the receivers' ring of 256 holds their copies.
    let burst = max(1, min(32, 128 / fanout))
    let pause = Interval(nanoseconds: UInt64(fanout * burst) * 1_000_000_000 / UInt64(copiesPerSecond))
    var sequence: UInt16 = 0
    let send = { (seconds: Double) in
      var next = Clock.now
      let end = next.advanced(by: Interval(nanoseconds: UInt64(seconds * 1e9)))
      while next < end {
        for _ in 0..<burst {
          Self.send(sequence, payloadLength, by: socket, to: media)
          sequence &+= 1
        }
        next = next.advanced(by: pause)
        let wait = next.since(Clock.now)
        if wait > .zero { Clock.sleep(wait) }
      }
    }
    var patience = 20
    repeat {
      send(0.3)
      patience -= 1
    } while !subject.isReady && patience > 0
    guard subject.isReady else { throw BenchFailure("\(path.rawValue), \(fanout) sinks: \(subject.state)") }
    let before = subject.settledCopies()
    let ranBefore = processorTime(subject, pair)
    send(secondsPerRound)
    let ran = processorTime(subject, pair) - ranBefore
    let copies = subject.settledCopies() - before
    guard copies > 0 else { throw BenchFailure("\(path.rawValue), \(fanout) sinks: no copies") }
    return Double(ran) / Double(copies)
  }

  private func processorTime(_ subject: any KernelLaneSubject, _ pair: NetworkPair) -> UInt64 {
    (ProcessorTime.threads(named: subject.threadName) + pair.serverThreads).reduce(0) {
      $0 + ProcessorTime.nanoseconds(ofThread: $1)
    }
  }

  private static func send(_ sequence: UInt16, _ length: Int, by socket: CInt, to media: SocketAddress) {
    var packet = [UInt8](repeating: 0x5a, count: 12 + length)
    packet.replaceSubrange(
      0..<12, with: [0x80, 96, UInt8(sequence >> 8), UInt8(sequence & 0xff), 0, 0, 0, 1, 0, 0, 0xaa, 0xaa])
    var name = LaneScene.name(media)
    withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = sendto(socket, packet, packet.count, 0, $0, 16) }
    }
  }
}

/// What forwards clear RTP.
protocol KernelLaneSubject {
  var threadName: String { get }
  var isReady: Bool { get }
  /// For people, when it does not become ready.
  var state: String { get }
  func copies() -> UInt64
  func stop()
}

extension KernelLaneSubject {
  func settledCopies() -> UInt64 {
    var last = copies()
    while true {
      Clock.sleep(.milliseconds(1200))
      let now = copies()
      if now == last { return now }
      last = now
    }
  }
}

/// The fast path with a clear publisher (the first address) and clear receivers (the others).
private struct ClearFastPath: KernelLaneSubject {
  let threadName = "needletail"
  private let fastPath: FastPath
  private let program: String

  init(_ media: SocketAddress, _ addresses: [SocketAddress], avoidsXDP: Bool, cpu: Int) throws {
    program = avoidsXDP ? "TC" : "XDP"
    var configuration = FastPathConfiguration(
      mediaPort: media.port, interfaces: ["eth0"], lane: .kernel, workerCPU: cpu)
    configuration.kernelLaneAvoidsXDP = avoidsXDP
    fastPath = try FastPath(configuration: configuration, log: { _, _, _ in }, events: { _ in })
    var commands: [FastPathCommand] = []
    for (number, address) in addresses.enumerated() {
      commands.append(
        .addTransport(
          Transport(
            id: TransportID(rawValue: UInt32(number)), tuple: FiveTuple(local: media, remote: address),
            protection: .clear)))
    }
    commands.append(
      .addSource(
        Source(
          id: SourceID(rawValue: 0), transport: TransportID(rawValue: 0), ssrc: LaneScene.publisherSSRC, kind: .video,
          clockRate: 90_000)))
    for number in 1..<addresses.count {
      commands.append(
        .addSink(
          Sink(
            id: SinkID(rawValue: UInt32(number)), source: SourceID(rawValue: 0),
            transport: TransportID(rawValue: UInt32(number)), ssrc: 0xb000 + UInt32(number), payloadTypes: [96: 120],
            sequenceOffset: 17, timestampOffset: 4711)))
    }
    fastPath.perform(commands)
  }

  private var source: SourceStatistics? { fastPath.statistics().sources.first }
  var isReady: Bool { source?.lane == .kernel && source?.laneReason.hasPrefix(program) == true }
  var state: String { "\(source?.lane.rawValue ?? "no source"): \(source?.laneReason ?? "")" }
  func copies() -> UInt64 { fastPath.statistics().sinks.reduce(0) { $0 + $1.packetsOnKernel } }
  func stop() { fastPath.stop() }
}

/// A plain loop: recv; for each receiver a copy of the header rewritten; sendmsg for each, or sendmmsg for all.
private final class ClearLoop: KernelLaneSubject, Sendable {
  let threadName = "reference"
  let isReady = true
  let state = ""
  private let socket: CInt
  private let sent = Atomic<UInt64>(0)
  private let isStopping = Atomic<Bool>(false)
  private let hasStopped = Atomic<Bool>(false)

  init(_ media: SocketAddress, _ addresses: [SocketAddress], sendsMany: Bool, cpu: Int) throws {
    socket = try LaneScene.openSocket(media.ip, port: media.port).0
    var patience = timeval(tv_sec: 0, tv_usec: 50_000)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    for option in [SO_RCVBUFFORCE, SO_SNDBUFFORCE] {
      var size: CInt = 8 << 20
      setsockopt(socket, SOL_SOCKET, option, &size, 4)
    }
    let names = addresses.dropFirst().map(LaneScene.name)
    let name = threadName
    let body = Body { [self] in
      linux_pthread_setname(pthread_self(), name)
      var set: UInt64 = 1 << UInt64(cpu)
      linux_pthread_setaffinity(pthread_self(), 8, &set)
      forward(names, sendsMany)
      hasStopped.store(true, ordering: .releasing)
    }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(body).toOpaque())
    pthread_detach(thread)
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Each copy is its own header and the payload as received.
  private func forward(_ names: [sockaddr_in], _ sendsMany: Bool) {
    let packet = UnsafeMutableRawPointer.allocate(byteCount: 2048, alignment: 64)
    let headers = UnsafeMutableRawPointer.allocate(byteCount: 16 * names.count, alignment: 64)
    let addresses = UnsafeMutablePointer<sockaddr_in>.allocate(capacity: names.count)
    addresses.initialize(from: names, count: names.count)
    let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: 2 * names.count)
    let messages = UnsafeMutablePointer<linux_mmsghdr>.allocate(capacity: names.count)
    messages.initialize(repeating: linux_mmsghdr(), count: names.count)
    defer {
      packet.deallocate()
      headers.deallocate()
      addresses.deallocate()
      vectors.deallocate()
      messages.deallocate()
    }
    for i in names.indices {
      messages[i].msg_hdr.msg_name = UnsafeMutableRawPointer(addresses + i)
      messages[i].msg_hdr.msg_namelen = 16
      messages[i].msg_hdr.msg_iov = vectors + 2 * i
      messages[i].msg_hdr.msg_iovlen = 2
      vectors[2 * i] = iovec(iov_base: headers + 16 * i, iov_len: 12)
    }
    while !isStopping.load(ordering: .relaxed) {
      let count = recv(socket, packet, 2048, 0)
      guard count > 12 else { continue }
      let sequence = UInt16(bigEndian: packet.load(fromByteOffset: 2, as: UInt16.self)) &+ 17
      let timestamp = UInt32(bigEndian: packet.load(fromByteOffset: 4, as: UInt32.self)) &+ 4711
      let first = packet.load(as: UInt8.self)
      for i in names.indices {
        let header = headers + 16 * i
        header.storeBytes(of: first, as: UInt8.self)
        header.storeBytes(of: 120, toByteOffset: 1, as: UInt8.self)
        header.storeBytes(of: sequence.bigEndian, toByteOffset: 2, as: UInt16.self)
        header.storeBytes(of: timestamp.bigEndian, toByteOffset: 4, as: UInt32.self)
        header.storeBytes(of: UInt32(0xb001 + i).bigEndian, toByteOffset: 8, as: UInt32.self)
        vectors[2 * i + 1] = iovec(iov_base: packet + 12, iov_len: count - 12)
      }
      send(messages, names.count, sendsMany)
    }
  }

  private func send(_ messages: UnsafeMutablePointer<linux_mmsghdr>, _ count: Int, _ sendsMany: Bool) {
    var done = 0
    if sendsMany {
      while done < count {
        let taken = linux_sendmmsg(socket, messages + done, UInt32(count - done), 0)
        guard taken > 0 else { break }
        done += Int(taken)
      }
    } else {
      for i in 0..<count where sendmsg(socket, &messages[i].msg_hdr, 0) > 0 { done += 1 }
    }
    sent.add(UInt64(done), ordering: .relaxed)
  }

  func copies() -> UInt64 { sent.load(ordering: .relaxed) }

  func stop() {
    isStopping.store(true, ordering: .relaxed)
    while !hasStopped.load(ordering: .acquiring) { Clock.sleep(.milliseconds(5)) }
    close(socket)
  }
}
