import Forwarding
import SRTP
import Wire

// The input is a run of packets: one octet that says where it comes from, two of length, the packet. Each is received on a
// clear transport, on an SRTP one as it is, or on that one properly sealed; copies go to clear and encrypted sinks.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  var reader = ByteReader(Array(UnsafeBufferPointer(start: data, count: size)))
  guard var room = Room() else { return 0 }
  while let way = reader.u8(), let length = reader.u16(), let packet = reader.take(min(Int(length), reader.remaining)) {
    room.receive(Array(packet), way)
  }
  return 0
}

private struct Room: ~Copyable {
  var forwarder = Forwarder(cryptography: .openSSL)
  var engine = CryptographyEngine(.openSSL)
  let sealer: RTPSealer
  let clear = FiveTuple(local: SocketAddress(.v4(1), 1), remote: SocketAddress(.v4(2), 2))
  let encrypted = FiveTuple(local: SocketAddress(.v4(1), 1), remote: SocketAddress(.v6(3, 3), 3))
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * 1600, alignment: 16)
  var time: UInt64 = 0

  init?() {
    let profile = SRTPProfile.aeadAES128GCM
    guard
      let keys = SRTPKeys(
        profile: profile, masterKey: [UInt8](repeating: 1, count: 16), masterSalt: [UInt8](repeating: 2, count: 12)),
      let sealer = RTPSealer(keys, engine: engine)
    else { return nil }
    self.sealer = sealer
    let protection = Protection.srtp(inbound: keys, outbound: keys)
    for (id, tuple, protection) in [(UInt32(0), clear, Protection.clear), (1, encrypted, protection)] {
      forwarder.apply(
        .addTransport(
          Transport(
            id: TransportID(rawValue: id), tuple: tuple, protection: protection,
            extensions: ReadExtensions(mid: 1, rid: 2, repairedRID: 3, transportWide: 4))), now: .zero)
      addRoutes(id)
    }
  }

  deinit { memory.deallocate() }

  /// A source with RED and one that repairs it, both copied to both transports.
  private mutating func addRoutes(_ n: UInt32) {
    let from = TransportID(rawValue: n)
    let source = SourceID(rawValue: 10 * n)
    let repair = SourceID(rawValue: 10 * n + 1)
    forwarder.apply(
      .addSource(Source(id: source, transport: from, ssrc: 1, kind: .audio, clockRate: 48_000, redPayloadType: 63)),
      now: .zero)
    forwarder.apply(
      .addSource(Source(id: repair, transport: from, ssrc: 2, kind: .video, clockRate: 90_000, repairs: source)),
      now: .zero)
    for to in 0...n {
      let sink = SinkID(rawValue: 100 * n + 10 * to)
      for (id, source, ssrc, repairs) in [
        (sink, source, 50 + 2 * n, SinkID?.none), (SinkID(rawValue: sink.rawValue + 1), repair, 51 + 2 * n, sink),
      ] {
        forwarder.apply(
          .addSink(
            Sink(
              id: id, source: source, transport: TransportID(rawValue: to), ssrc: ssrc,
              payloadTypes: [63: 64, 111: 109, 96: 96], extensions: [1: 2, 5: 1, 6: 14], mid: (id: 3, value: [48, 49]),
              repairs: repairs)), now: .zero)
      }
    }
  }

  mutating func receive(_ packet: [UInt8], _ way: UInt8) {
    time += UInt64(way) * 1_000_000
    let now = Instant(nanoseconds: time)
    var datagram = way % 3 == 2 ? sealed(packet) : packet
    datagram.withUnsafeMutableBytes {
      _ = forwarder.receive($0, on: way % 3 == 0 ? clear : encrypted, lane: .socket, now: now)
      makeCopies(way, now)
    }
    if way & 0x40 != 0 { forwarder.apply(.pauseSink(SinkID(rawValue: 0), way & 0x20 != 0), now: now) }
    if way & 0x80 != 0 { forwarder.apply(.retransmit(SinkID(rawValue: 0), packet.map { UInt16($0) }), now: now) }
    _ = forwarder.takeEvents(now: now)
  }

  private mutating func makeCopies(_ way: UInt8, _ now: Instant) {
    guard let base = memory.baseAddress else { return }
    // Small memory now and then, to meet its end.
    let capacity = way & 0x10 != 0 ? 40 : 1600
    var copies = (0..<4).map { PacketCopy(packet: base + $0 * 1600, capacity: capacity) }
    while true {
      let count = copies.withUnsafeMutableBufferPointer { forwarder.copy(into: $0) }
      if count == 0 { return }
      for made in copies.prefix(count) {
        precondition(made.length >= 12 && made.length <= capacity)
        forwarder.account(made, sentOn: .socket, now: now)
      }
    }
  }

  /// The packet as an SRTP sender would send it, if it is long enough to have a header.
  private mutating func sealed(_ packet: [UInt8]) -> [UInt8] {
    guard packet.count >= 12 else { return packet }
    var headerLength = 12 + 4 * Int(packet[0] & 0x0f)
    if packet[0] & 0x10 != 0, headerLength + 4 <= packet.count {
      headerLength += 4 + 4 * (Int(packet[headerLength + 2]) << 8 | Int(packet[headerLength + 3]))
    }
    guard headerLength <= packet.count else { return packet }
    let ssrc = packet[8..<12].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    var target = packet + [UInt8](repeating: 0, count: 16)
    let sealed = target.withUnsafeMutableBytes { bytes -> Int in
      guard let base = bytes.baseAddress else { return 0 }
      return sealer.seal(
        base, headerLength: headerLength, payload: base + headerLength, payloadLength: packet.count - headerLength,
        ssrc: ssrc, index: UInt64(packet[2]) << 8 | UInt64(packet[3]), engine: &engine)
    }
    return Array(target.prefix(sealed))
  }
}
