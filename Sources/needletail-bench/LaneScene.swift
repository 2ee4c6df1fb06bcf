import CSRTP
import CXDP
import FastPath
import Forwarding
import Glibc
import SRTP
import Wire

/// One encrypted publisher and its receivers at the client's end of the cable, with the keys of all.
final class LaneScene {
  static let publisherSSRC: UInt32 = 0xaaaa

  let publisherKeys: SRTPKeys
  let receiverKeys: [SRTPKeys]
  let media: SocketAddress
  private let pair: NetworkPair
  private let sender: FrameSender
  private let drain: FrameDrain
  /// Never read, as the receivers' are not: they hold the ports.
  private let publisher: CInt
  private(set) var publisherAddress: SocketAddress
  private(set) var receiverAddresses: [SocketAddress] = []
  private var receivers: [CInt] = []

  init(_ profile: SRTPProfile, receivers count: Int, pair: NetworkPair) throws {
    self.pair = pair
    publisherKeys = try Self.randomKeys(profile)
    receiverKeys = try (0..<count).map { _ in try Self.randomKeys(profile) }
    guard let server = IPAddress(NetworkPair.serverAddress), let client = IPAddress(NetworkPair.clientAddress) else {
      throw BenchFailure("no addresses")
    }
    media = SocketAddress(server, 3478)
    let sockets = try Self.inside(pair.client) { try (0...count).map { _ in try Self.openSocket(client, port: 0) } }
    (publisher, publisherAddress) = sockets[0]
    receivers = sockets[1...].map(\.0)
    receiverAddresses = sockets[1...].map(\.1)
    sender = try Self.inside(pair.client) { try FrameSender(pair) }
    drain = try Self.inside(pair.client) { try FrameDrain(interface: "peer0") }
  }

  deinit { for socket in receivers + [publisher] { close(socket) } }

  /// The publisher from its first packet on.
  func publisher(payloadLength: Int) throws -> Publisher {
    Publisher(
      session: try LibSRTPSession(publisherKeys, ssrc: ssrc_any_outbound), from: publisherAddress, to: media,
      payload: [UInt8](repeating: 0x5a, count: payloadLength))
  }

  /// Makes the publisher's packets, protected, as Ethernet frames.
  struct Publisher {
    fileprivate let session: LibSRTPSession
    fileprivate let from: SocketAddress
    fileprivate let to: SocketAddress
    fileprivate let payload: [UInt8]
    private var sequence: UInt16 = 0

    fileprivate init(session: LibSRTPSession, from: SocketAddress, to: SocketAddress, payload: [UInt8]) {
      (self.session, self.from, self.to, self.payload) = (session, from, to, payload)
    }

    /// The next `count` packets.
    mutating func frames(_ count: Int) throws -> [[UInt8]] {
      try (0..<count).map { _ in
        sequence &+= 1
        let number = [UInt8(sequence >> 8), UInt8(sequence & 0xff)]
        let packet = try session.protect([0x80, 96] + number + [0, 0, 0, 1, 0, 0, 0xaa, 0xaa] + payload)
        return FrameSender.frame(from: from, to: to, payload: packet)
      }
    }
  }

  /// `burst` frames at once, then a pause, until all are sent.
  func send(_ frames: ArraySlice<[UInt8]>, burst: Int, pause: Interval, cpu: Int) {
    let placement = ThreadPlacement(cpu: cpu)
    defer { placement.restore() }
    var next = Clock.now
    var left = frames
    while !left.isEmpty {
      sender.send(left.prefix(burst))
      left = left.dropFirst(burst)
      next = next.advanced(by: pause)
      let wait = next.since(Clock.now)
      if wait > .zero { Clock.sleep(wait) }
    }
  }

  /// As clients do: where their checks were not seen to come from, no frame goes.
  func sendChecks() throws {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = media.port.bigEndian
    name.sin_addr.s_addr = media.ip.bytes.reduce(0) { $0 << 8 | UInt32($1) }.bigEndian
    let request: [UInt8] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42] + [UInt8](repeating: 0, count: 12)
    for socket in receivers + [publisher] {
      let sent = withUnsafePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(socket, request, request.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      guard sent == request.count else { throw BenchFailure("a receiver cannot send") }
    }
  }

  /// Starts what forwards, on the server's side.
  func start(_ path: LaneBench.Path, cpu: Int) throws -> any LaneUnderTest {
    try Self.inside(pair.server) {
      switch path {
      case .xsk: try FastPathUnderTest(self, lane: .xsk, cpu: cpu)
      case .socket: try FastPathUnderTest(self, lane: .socket, cpu: cpu)
      case .reference: try ReferenceUnderTest(self, cpu: cpu)
      }
    }
  }

  func arrange(_ receivers: ReceiverPlace) throws { try receivers.arrange(pair, waits: true) }

  /// Packets that came to the receivers' interface so far.
  var arrivals: UInt64 { drain.counts().reduce(0, +) }

  /// Keeps the threads that are measured from being interrupted by whatever else runs on the machine.
  func raisePriority(of forwarder: any LaneUnderTest) {
    for thread in ProcessorTime.threads(named: forwarder.threadName) + pair.serverThreads {
      ThreadPlacement.raisePriority(of: thread)
    }
  }

  /// Nanoseconds that what forwards has run, its NAPI thread included.
  func processorTime(of forwarder: any LaneUnderTest) -> UInt64 {
    (ProcessorTime.threads(named: forwarder.threadName) + pair.serverThreads).reduce(0) {
      $0 + ProcessorTime.nanoseconds(ofThread: $1)
    }
  }

  // MARK: Sockets

  /// A socket bound to `ip`, and its address.
  static func openSocket(_ ip: IPAddress, port: UInt16) throws -> (CInt, SocketAddress) {
    let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
    var name = name(SocketAddress(ip, port))
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        bind(descriptor, name, length) == 0 && getsockname(descriptor, name, &length) == 0
      }
    }
    guard isBound else { throw BenchFailure("cannot bind \(ip):\(port)") }
    return (descriptor, SocketAddress(ip, UInt16(bigEndian: name.sin_port)))
  }

  static func name(_ address: SocketAddress) -> sockaddr_in {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = address.port.bigEndian
    if case .v4(let ip) = address.ip { name.sin_addr.s_addr = ip.bigEndian }
    return name
  }

  /// Runs `body` in a namespace: sockets and threads that it makes stay there.
  static func inside<R: ~Copyable>(_ namespace: String, _ body: () throws -> R) throws -> R {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    let there = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
    defer {
      close(home)
      close(there)
    }
    guard linux_setns(there, CInt(LINUX_CLONE_NEWNET.rawValue)) == 0 else {
      throw BenchFailure("cannot enter \(namespace)")
    }
    defer { _ = linux_setns(home, CInt(LINUX_CLONE_NEWNET.rawValue)) }
    return try body()
  }

  private static func randomKeys(_ profile: SRTPProfile) throws -> SRTPKeys {
    func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: 0...255) } }
    let keys = SRTPKeys(profile: profile, masterKey: random(profile.keyLength), masterSalt: random(profile.saltLength))
    guard let keys else { throw BenchFailure("no keys for \(profile)") }
    return keys
  }
}

extension ProcessorTime {
  /// This process's threads of that name.
  static func threads(named name: String) -> [pid_t] {
    guard let folder = opendir("/proc/self/task") else { return [] }
    defer { closedir(folder) }
    var found: [pid_t] = []
    while let entry = readdir(folder) {
      let thread = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      let comm = textFile("/proc/self/task/\(thread)/comm")
      if comm?.split(separator: "\n").first == name[...], let id = pid_t(thread) { found.append(id) }
    }
    return found
  }

  /// Nanoseconds that a thread of any process has run.
  static func nanoseconds(ofThread thread: pid_t) -> UInt64 {
    textFile("/proc/\(thread)/schedstat")?.split(separator: " ").first.flatMap { UInt64($0) } ?? 0
  }
}
