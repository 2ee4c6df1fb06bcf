import CXDP
import Glibc
import Wire

/// How long clear RTP is on its way: from the publisher's send to the arrival of each copy at the receivers' network
/// interface, by XDP and by the plain sendmsg loop, in turns within one run. Nothing else is to do meanwhile, and idle
/// processors are kept from sleeping deeply.
struct KernelLatencyBench {
  struct Row {
    var path: KernelLaneBench.Path
    var copies: Int
    /// Nanoseconds.
    var median: UInt64
    var p99: UInt64
  }

  var receivers = 16
  var packetsPerSecond = 500
  var payloadLength = 1188
  var rounds = 2
  var secondsPerRound = 2.0

  func run(_ pair: NetworkPair) throws -> [Row] {
    let hold = WakeupLatencyHold()
    defer { _ = hold.isHeld }
    guard let client = IPAddress(NetworkPair.clientAddress), let server = IPAddress(NetworkPair.serverAddress) else {
      throw BenchFailure("no addresses")
    }
    let sockets = try LaneScene.inside(pair.client) {
      try (0...receivers).map { _ in try LaneScene.openSocket(client, port: 0) }
    }
    defer { for socket in sockets { close(socket.0) } }
    var on: CInt = 1
    for socket in sockets { setsockopt(socket.0, SOL_SOCKET, SO_TIMESTAMPNS, &on, 4) }
    let media = SocketAddress(server, 3479)
    var delays: [KernelLaneBench.Path: [UInt64]] = [:]
    for _ in 0..<rounds {
      for path in [KernelLaneBench.Path.xdp, .sendmsg] {
        let addresses = sockets.map(\.1)
        let subject = try LaneScene.inside(pair.server) {
          try path.start(media, addresses, cpu: KernelLaneBench.serverCPU)
        }
        defer { subject.stop() }
        for thread in KernelLaneBench.threads(subject, pair) { ThreadPlacement.raisePriority(of: thread) }
        delays[path, default: []] += try measure(subject, path, sockets.map(\.0), media)
      }
    }
    return delays.map { path, delays in
      let sorted = delays.sorted()
      return Row(
        path: path, copies: sorted.count, median: sorted[sorted.count / 2], p99: sorted[sorted.count * 99 / 100])
    }.sorted { $0.median < $1.median }
  }

  static func table(_ rows: [Row]) -> String {
    var lines = ["way to forward   copies   median us   p99 us"]
    for row in rows {
      lines.append(
        Columns.pad(row.path.rawValue, 17) + Columns.pad("\(row.copies)", 9)
          + Columns.pad(Columns.tenths(Double(row.median) / 1000), 12) + Columns.tenths(Double(row.p99) / 1000))
    }
    if let first = rows.first, let last = rows.last, first.p99 > 0 {
      lines.append(
        "p99 \(first.path.rawValue) / \(last.path.rawValue): "
          + Columns.hundredths(Double(first.p99) / Double(last.p99)))
    }
    return lines.joined(separator: "\n")
  }

  // MARK: One way

  private func measure(
    _ subject: any KernelLaneSubject, _ path: KernelLaneBench.Path, _ sockets: [CInt], _ media: SocketAddress
  ) throws -> [UInt64] {
    let placement = ThreadPlacement(cpu: KernelLaneBench.clientCPU, isUninterrupted: false)
    defer { placement.restore() }
    var patience = 20
    repeat {
      send(sockets[0], media, seconds: 0.3) {}
      patience -= 1
    } while !subject.isReady && patience > 0
    guard subject.isReady else { throw BenchFailure("\(path.rawValue): \(subject.state)") }
    for socket in sockets.dropFirst() { _ = Self.arrivals(socket) }
    var delays: [UInt64] = []
    send(sockets[0], media, seconds: secondsPerRound) {
      for socket in sockets.dropFirst() { delays += Self.arrivals(socket) }
    }
    guard !delays.isEmpty else { throw BenchFailure("\(path.rawValue): nothing arrived") }
    return delays
  }

  /// `meanwhile` runs between packets, when the last one's copies have long arrived.
  private func send(_ socket: CInt, _ media: SocketAddress, seconds: Double, meanwhile: () -> Void) {
    let pause = Interval(nanoseconds: 1_000_000_000 / UInt64(packetsPerSecond))
    var packet = [UInt8](repeating: 0x5a, count: 12 + payloadLength)
    packet.replaceSubrange(0..<12, with: [0x80, 96, 0, 0, 0, 0, 0, 1, 0, 0, 0xaa, 0xaa])
    var name = LaneScene.name(media)
    for sequence in 0..<Int(seconds * Double(packetsPerSecond)) {
      packet[2] = UInt8(sequence >> 8 & 0xff)
      packet[3] = UInt8(sequence & 0xff)
      withUnsafeBytes(of: Self.now) { packet.replaceSubrange(12..<20, with: $0) }
      withUnsafePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = sendto(socket, packet, packet.count, 0, $0, 16) }
      }
      Clock.sleep(pause)
      meanwhile()
    }
  }

  /// By the clock of the kernel's time stamps.
  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// The delays of what waits at a socket: when it came to the interface, less the time written in it.
  private static func arrivals(_ socket: CInt) -> [UInt64] {
    var delays: [UInt64] = []
    withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 8) { data in
      withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { control in
        while true {
          var vector = iovec(iov_base: data.baseAddress, iov_len: data.count)
          let count = withUnsafeMutablePointer(to: &vector) { vector in
            var message = msghdr()
            message.msg_iov = vector
            message.msg_iovlen = 1
            message.msg_control = control.baseAddress
            message.msg_controllen = control.count
            return recvmsg(socket, &message, CInt(MSG_DONTWAIT))
          }
          guard count >= 20 else { return }
          // A control message of 16 octets' header and a struct timespec.
          let seconds = control.load(fromByteOffset: 16, as: Int.self)
          let nanoseconds = control.load(fromByteOffset: 24, as: Int.self)
          let arrival = UInt64(seconds) * 1_000_000_000 + UInt64(nanoseconds)
          let sent = data.loadUnaligned(fromByteOffset: 12, as: UInt64.self)
          if arrival > sent { delays.append(arrival - sent) }
        }
      }
    }
    return delays
  }
}
