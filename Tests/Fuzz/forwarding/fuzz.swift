import Forwarding
import SRTP
import Wire

// The input is an octet that chooses the SRTP profile, and then packets: an octet that says where each comes from, two of
// length, the packet. Each is received on a clear transport, on an SRTP one as it is, or on that one properly sealed; copies go
// to clear and encrypted sinks. SSRC 1 is video, RED included, and SSRC 2 its retransmissions; receivers miss whatever the
// packets' octets say. What one forwarder makes of them as the worker does, a run of packets together and with the preferred
// library, another must make of them one by one with the portable library.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  var reader = ByteReader(Array(UnsafeBufferPointer(start: data, count: size)))
  guard let choice = reader.u8() else { return 0 }
  let profile = SRTPProfile.allCases[Int(choice) % SRTPProfile.allCases.count]
  guard var tested = Room(.preferred, profile), var plain = Room(.openSSL, profile) else { return 0 }
  while let run = Arrival.run(&reader, sealedBy: &plain) {
    let together = tested.receive(run)
    let singly = run.flatMap { plain.receive([$0]) }
    precondition(together == singly)
    precondition(tested.command(run) == plain.command(run))
  }
  return 0
}

private struct Arrival {
  let bytes: [UInt8]
  let way: UInt8

  var isClear: Bool { way % 3 == 0 }
  /// Small memory now and then, to meet its end.
  var capacity: Int { way & 0x10 != 0 ? 40 : Room.copyLength }

  /// Packets up to one that ends the run; nil at the end of the input.
  static func run(_ reader: inout ByteReader, sealedBy room: inout Room) -> [Arrival]? {
    var run: [Arrival] = []
    while run.count < 64, let way = reader.u8(), let length = reader.u16(),
      let packet = reader.take(min(Int(length), reader.remaining))
    {
      run.append(Arrival(bytes: way % 3 == 2 ? room.sealed(Array(packet)) : Array(packet), way: way))
      if way & 8 == 0 { break }
    }
    return run.isEmpty ? nil : run
  }
}

private struct Room: ~Copyable {
  var forwarder: Forwarder
  var engine = CryptographyEngine(.openSSL)
  let sealer: RTPSealer
  let clear = FiveTuple(local: SocketAddress(.v4(1), 1), remote: SocketAddress(.v4(2), 2))
  let encrypted = FiveTuple(local: SocketAddress(.v4(1), 1), remote: SocketAddress(.v6(3, 3), 3))
  let copies = UnsafeMutableBufferPointer<PacketCopy>.allocate(capacity: copyCount)
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: copyCount * copyLength, alignment: 16)
  var made = 0
  var time: UInt64 = 0

  static let copyCount = 24
  static let copyLength = 1600

  init?(_ provider: CryptographyProvider, _ profile: SRTPProfile) {
    forwarder = Forwarder(cryptography: provider)
    guard
      let keys = SRTPKeys(
        profile: profile, masterKey: [UInt8](repeating: 1, count: profile.keyLength),
        masterSalt: [UInt8](repeating: 2, count: profile.saltLength)),
      let sealer = RTPSealer(keys, engine: engine), let base = memory.baseAddress
    else { return nil }
    self.sealer = sealer
    _ = copies.initialize(
      from: (0..<Self.copyCount).map { PacketCopy(packet: base + $0 * Self.copyLength, capacity: Self.copyLength) })
    let protection = Protection.srtp(inbound: keys, outbound: keys)
    for (id, tuple, protection) in [(UInt32(0), clear, Protection.clear), (1, encrypted, protection)] {
      forwarder.apply(
        .addTransport(
          Transport(
            id: TransportID(rawValue: id), tuple: tuple, protection: protection,
            extensions: ReadExtensions(mid: 1, rid: 2, repairedRID: 3, transportWide: 4, audioLevel: 5))), now: .zero)
      addRoutes(id)
    }
  }

  deinit {
    copies.deallocate()
    memory.deallocate()
  }

  /// A source with RED and one that repairs it, copied to both transports.
  private mutating func addRoutes(_ n: UInt32) {
    let from = TransportID(rawValue: n)
    let source = SourceID(rawValue: 10 * n)
    let repair = SourceID(rawValue: 10 * n + 1)
    var media = Source(id: source, transport: from, ssrc: 1, kind: .video, clockRate: 90_000, redPayloadType: 63)
    media.codecs = [96: .vp8, 111: .vp9, 100: .h264, 101: .h265, 102: .av1]
    media.answersNACKs = n > 0
    forwarder.apply(.addSource(media), now: .zero)
    var retransmissions = Source(
      id: repair, transport: from, ssrc: 2, kind: .video, clockRate: 90_000, repairs: source)
    retransmissions.repairedPayloadTypes = [97: 96, 98: 63, 110: 111]
    forwarder.apply(.addSource(retransmissions), now: .zero)
    for to in 0...n {
      forwarder.apply(
        .addSink(
          Sink(
            id: SinkID(rawValue: 100 * n + 10 * to), source: source, transport: TransportID(rawValue: to),
            ssrc: 50 + 2 * n, payloadTypes: [63: 64, 111: 109, 96: 96, 100: 100, 101: 101, 102: 102],
            extensions: [1: 2, 5: 1, 6: 14], mid: (id: 3, value: [48, 49]),
            retransmission: RetransmissionStream(ssrc: 51 + 2 * n, payloadTypes: [64: 65, 109: 110, 96: 97]))),
        now: .zero)
    }
  }

  private var now: Instant { Instant(nanoseconds: time) }

  /// As the worker does it: all announced, then each received and its copies begun, which are completed together. Returns
  /// the copies.
  mutating func receive(_ run: [Arrival]) -> [[UInt8]] {
    // Memory of each one's own, no longer than it is.
    let datagrams = run.map { arrival in
      let datagram = UnsafeMutableRawBufferPointer.allocate(byteCount: arrival.bytes.count, alignment: 1)
      datagram.copyBytes(from: arrival.bytes)
      return datagram
    }
    defer { for datagram in datagrams { datagram.deallocate() } }
    for (datagram, arrival) in zip(datagrams, run) { forwarder.announce(datagram, on: tuple(of: arrival)) }
    forwarder.beginAnnounced()
    var sent: [[UInt8]] = []
    for (datagram, arrival) in zip(datagrams, run) {
      _ = forwarder.receive(datagram, on: tuple(of: arrival), lane: .socket, now: now)
      makeCopies(arrival.capacity, &sent)
    }
    forwarder.forgetAnnounced()
    flush(&sent)
    return sent
  }

  private func tuple(of arrival: Arrival) -> FiveTuple { arrival.isClear ? clear : encrypted }

  private mutating func makeCopies(_ capacity: Int, _ sent: inout [[UInt8]]) {
    while true {
      if made == copies.count { flush(&sent) }
      for place in made..<copies.count { copies[place].capacity = capacity }
      made += forwarder.beginCopy(into: UnsafeMutableBufferPointer(rebasing: copies[made...]))
      if made < copies.count { return }
    }
  }

  private mutating func flush(_ sent: inout [[UInt8]]) {
    forwarder.finishCopies()
    for copy in copies.prefix(made) {
      precondition(copy.length >= 12 && copy.length <= Self.copyLength)
      sent.append(Array(UnsafeRawBufferPointer(start: copy.packet, count: copy.length)))
      forwarder.account(copy, sentOn: .socket, now: now)
    }
    made = 0
  }

  /// What the control plane does between runs, and receivers ask for. Returns what is sent again.
  mutating func command(_ run: [Arrival]) -> [[UInt8]] {
    for arrival in run {
      time += UInt64(arrival.way) * 1_000_000
      let sink = SinkID(rawValue: [0, 100, 110][arrival.bytes.count % 3])
      if arrival.way & 0x40 != 0 { forwarder.apply(.pauseSink(sink, arrival.way & 0x20 != 0), now: now) }
      guard arrival.way & 0x80 != 0 else { continue }
      let missed = arrival.bytes.map { UInt16($0) } + [UInt16(arrival.bytes.count) << 8]
      forwarder.apply(.retransmit(sink, missed, askedAt: now), now: now)
    }
    var sent: [[UInt8]] = []
    for place in copies.indices { copies[place].capacity = Self.copyLength }
    while forwarder.hasRepairs {
      made = forwarder.beginRepairs(into: copies)
      flush(&sent)
    }
    forwarder.tend(now: now)
    _ = forwarder.takeEvents(now: now)
    return sent
  }

  /// The packet as an SRTP sender would send it, if it is long enough to have a header.
  mutating func sealed(_ packet: [UInt8]) -> [UInt8] {
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
