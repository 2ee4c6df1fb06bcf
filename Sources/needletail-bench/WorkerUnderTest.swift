import Forwarding
import SRTP
import Wire

/// A worker with one encrypted publisher and `receivers.count` encrypted receivers. `keepsPackets`: they take retransmissions.
struct WorkerUnderTest: ~Copyable {
  var forwarder: Forwarder
  private let tuple: FiveTuple
  private let memory: UnsafeMutableRawPointer
  private let copies: UnsafeMutableBufferPointer<PacketCopy>
  private let fanOut: Int

  private static let batch = 64
  private static let frame = 2048

  init(_ provider: CryptographyProvider, publisher inbound: SRTPKeys, receivers: [SRTPKeys], keepsPackets: Bool = false)
  {
    forwarder = Forwarder(cryptography: provider)
    fanOut = receivers.count
    memory = .allocate(byteCount: Self.batch * Self.frame, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Self.batch * Self.frame)
    copies = .allocate(capacity: Self.batch)
    for i in 0..<Self.batch {
      (copies.baseAddress! + i).initialize(to: PacketCopy(packet: memory + i * Self.frame + 256, capacity: 1600))
    }
    let local = SocketAddress(.v4(0x0a00_0001), 3478)
    tuple = FiveTuple(local: local, remote: SocketAddress(.v4(0x0a00_0002), 1000))
    let publisher = TransportID(rawValue: 0)
    var source = Source(id: SourceID(rawValue: 0), transport: publisher, ssrc: 0xaaaa, kind: .video, clockRate: 90_000)
    source.codecs = [96: .vp8]
    source.answersNACKs = keepsPackets
    forwarder.apply(
      .addTransport(Transport(id: publisher, tuple: tuple, protection: .srtp(inbound: inbound, outbound: inbound))),
      now: .zero)
    forwarder.apply(.addSource(source), now: .zero)
    for (i, keys) in receivers.enumerated() {
      let n = UInt32(i + 1)
      let receiver = SocketAddress(.v4(0x0a01_0000 + n), 2000)
      forwarder.apply(
        .addTransport(
          Transport(
            id: TransportID(rawValue: n), tuple: FiveTuple(local: local, remote: receiver),
            protection: .srtp(inbound: keys, outbound: keys))), now: .zero)
      var sink = Sink(
        id: SinkID(rawValue: n), source: source.id, transport: TransportID(rawValue: n), ssrc: 0xb000 + n,
        payloadTypes: [96: 120], extensions: [4: 4], mid: (id: 1, value: [0x31]))
      if keepsPackets { sink.retransmission = RetransmissionStream(ssrc: 0xc000 + n, payloadTypes: [120: 121]) }
      forwarder.apply(.addSink(sink), now: .zero)
    }
  }

  deinit {
    memory.deallocate()
    copies.deallocate()
  }

  /// Nanoseconds for making all copies of all packets, and for receiving them. Packets are received from a warm buffer, as
  /// they are from a ring.
  mutating func run(_ packets: [[UInt8]], now: Instant = .zero) throws -> (copying: Double, receiving: Double) {
    let lengths = packets.map(\.count)
    let frames = UnsafeMutableRawPointer.allocate(byteCount: packets.count * Self.frame, alignment: 4096)
    defer { frames.deallocate() }
    for (i, packet) in packets.enumerated() {
      packet.withUnsafeBytes { (frames + i * Self.frame).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    var receiving = 0.0
    var copying = 0.0
    var made = 0
    // Few packets at a time, so that one clock reading counts for many copies.
    var start = 0
    let step = max(1, Self.batch / fanOut)
    while start < packets.count {
      let end = min(start + step, packets.count)
      let begin = WorkerBench.clock()
      var received = 0.0
      var used = 0
      for i in start..<end {
        let datagram = UnsafeMutableRawBufferPointer(start: frames + i * Self.frame, count: lengths[i])
        let before = WorkerBench.clock()
        _ = forwarder.receive(datagram, on: tuple, lane: .xsk, now: now)
        received += WorkerBench.clock() - before
        while true {
          if used == Self.batch {
            account(used, now: now)
            used = 0
          }
          let rest = UnsafeMutableBufferPointer(rebasing: copies[used...])
          let count = forwarder.beginCopy(into: rest)
          if count == 0 { break }
          used += count
          made += count
        }
      }
      account(used, now: now)
      copying += WorkerBench.clock() - begin - received
      receiving += received
      start = end
    }
    guard made == packets.count * fanOut else {
      throw WorkerBench.Failure(description: "made \(made) copies of \(packets.count * fanOut)")
    }
    return (copying, receiving)
  }

  /// Every receiver misses these packets. Nanoseconds for hearing of it.
  mutating func ask(_ sequences: [UInt16], now: Instant) -> Double {
    let begin = WorkerBench.clock()
    for n in 1...UInt32(fanOut) {
      forwarder.apply(.retransmit(SinkID(rawValue: n), sequences, askedAt: now), now: now)
    }
    return WorkerBench.clock() - begin
  }

  /// Sends up to `limit` packets again, as in one turn of the worker. Returns how many.
  mutating func repair(limit: Int, now: Instant) -> Int {
    var sent = 0
    while sent < limit, forwarder.hasRepairs {
      let count = forwarder.beginRepairs(into: UnsafeMutableBufferPointer(rebasing: copies.prefix(limit - sent)))
      account(count, now: now)
      sent += count
    }
    return sent
  }

  private mutating func account(_ count: Int, now: Instant) {
    forwarder.finishCopies()
    for i in 0..<count { forwarder.account(copies[i], sentOn: .xsk, now: now) }
  }
}
