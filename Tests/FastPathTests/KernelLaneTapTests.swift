import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// The kernel lane by XDP on a network card of the test's own: a tap device, whose ring is as long as wanted and whose
/// driver sends with XDP_TX, as cards' do and veth's does not.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct KernelLaneTapTests {
  private let local = "10.9.8.1"
  private let remote = "10.9.8.2"
  private let neighbour: [UInt8] = [2, 0, 0, 0, 0, 9]

  @Test(arguments: [1, 2, 257, 1024]) func everySinkGetsItsCopy(_ count: Int) throws {
    let network = try Network()
    let card = try network.onServer { try Tap("tap0") }
    try shell(
      """
      set -e
      ip -n \(network.server) addr add \(local)/24 dev tap0
      ip -n \(network.server) link set tap0 txqueuelen 4096 address 02:00:00:00:00:08 up
      ip -n \(network.server) neigh replace \(remote) lladdr 02:00:00:00:00:09 nud permanent dev tap0
      """)
    let call = try network.onServer { try Call(FastPathConfiguration(mediaPort: 0, interfaces: ["tap0"])) }
    defer { call.fastPath.stop() }
    let (us, them) = (try #require(IPAddress(local)), try #require(IPAddress(remote)))
    call.connect(
      us, publisher: SocketAddress(them, 5000), ssrc: 7,
      receivers: (0..<count).map { SocketAddress(them, UInt16(20_000 + $0)) })
    var source: SourceStatistics? { call.fastPath.statistics().sources.first }
    #expect(eventually { source?.lane == .kernel && source?.laneReason == "XDP" }, "\(String(describing: source))")

    for sequence in 0..<3 {
      var frame = TestFrame()
      (frame.source, frame.destination) = (remote, local)
      frame.destinationPort = call.fastPath.boundPort
      frame.payload = Call.packet(UInt16(sequence), ssrc: 7)
      frame.checksum = .whole
      frame.hasHeaderChecksum = true
      #expect(card.send(frame.bytes))
      let copies = card.receive(count, port: call.fastPath.boundPort)
      #expect(copies == (0..<count).map { copy($0, of: frame) }, "packet \(sequence): \(copies.count) copies")
    }
    #expect(eventually { source?.packetsOnKernel == 3 })
    let verdicts = call.fastPath.statistics().verdicts
    #expect(verdicts.first { $0.name == "xdp_tx" }?.count == (count == 1 ? 3 : 0))
    #expect(verdicts.first { $0.name == "xdp_copy_overflow" }?.count == 0)
  }

  /// What receiver `number` is to get, whole.
  private func copy(_ number: Int, of frame: TestFrame) -> [UInt8] {
    var copy = frame
    (copy.source, copy.destination) = (local, remote)
    (copy.sourcePort, copy.destinationPort) = (frame.destinationPort, UInt16(20_000 + number))
    copy.timeToLive -= 1
    copy.payload[1] = 100
    let ssrc = 1000 + UInt32(number)
    copy.payload.replaceSubrange(8..<12, with: (0..<4).map { UInt8(ssrc >> (24 - 8 * $0) & 0xff) })
    var bytes = copy.bytes
    bytes.replaceSubrange(0..<12, with: neighbour + [2, 0, 0, 0, 0, 8])
    return bytes
  }
}

/// A network card whose cable ends in this process.
private final class Tap {
  private let descriptor: CInt

  private static let setInterface: UInt = 0x4004_54ca  // TUNSETIFF
  private static let flags: Int16 = 0x0002 | 0x1000  // IFF_TAP, IFF_NO_PI

  /// In the calling thread's namespace; goes with this value.
  init(_ name: String) throws {
    descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
    // struct ifreq: the name, then the flags.
    var request = [UInt8](name.utf8) + [UInt8](repeating: 0, count: 40 - name.utf8.count)
    withUnsafeBytes(of: Self.flags) { request.replaceSubrange(16..<18, with: $0) }
    let isMade = request.withUnsafeMutableBytes { request in
      request.baseAddress.map { ioctl(descriptor, Self.setInterface, $0) == 0 } ?? false
    }
    guard isMade else { throw ShellFailure(command: "\(name) cannot be made: \(String(cString: strerror(errno)))") }
  }

  deinit { close(descriptor) }

  /// Has a frame arrive from the cable.
  func send(_ frame: [UInt8]) -> Bool { write(descriptor, frame, frame.count) == frame.count }

  /// The next `count` frames of UDP from `port`, and what else of it comes within a moment.
  func receive(_ count: Int, port: UInt16) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&waiting, 1, found.count < count ? 1000 : 20) == 1 {
      var frame = [UInt8](repeating: 0, count: 2048)
      let length = read(descriptor, &frame, frame.count)
      guard length > 42, frame[12] == 8, frame[23] == 17 else { continue }
      if UInt16(frame[34]) << 8 | UInt16(frame[35]) == port { found.append(Array(frame[..<length])) }
    }
    return found
  }
}
