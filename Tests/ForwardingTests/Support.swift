import Forwarding
import SRTP
import Testing
import Wire

struct TestFailure: Error {}

func tuple(_ remotePort: UInt16) -> FiveTuple {
  FiveTuple(
    local: SocketAddress(.v4(0x0a00_0001), 3478), remote: SocketAddress(.v4(0x0a00_0002), remotePort))
}

func milliseconds(_ n: UInt64) -> Instant { Instant(nanoseconds: n * 1_000_000) }

/// An RTP packet by its parts; reads its own bytes back.
struct Packet: Hashable, CustomStringConvertible {
  var payloadType: UInt8 = 96
  var marker = false
  var sequence: UInt16 = 0
  var timestamp: UInt32 = 0
  var ssrc: UInt32 = 0xaaaa
  var csrcs: [UInt32] = []
  /// nil: no extension.
  var extensionProfile: UInt16?
  var elements: [Element] = []
  /// Padding not included.
  var payload: [UInt8] = [1, 2, 3, 4, 5]
  /// Octets of padding, its count included.
  var padding = 0

  struct Element: Hashable {
    var id: UInt8
    var data: [UInt8]
  }

  var description: String {
    "PT \(payloadType)\(marker ? " M" : "") seq \(sequence) ts \(timestamp) ssrc \(ssrc) ext \(elements) "
      + "payload \(payload) padding \(padding)"
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.u8(
      0x80 | (padding > 0 ? 0x20 : 0) | (extensionProfile != nil ? 0x10 : 0) | UInt8(csrcs.count))
    writer.u8((marker ? 0x80 : 0) | payloadType)
    writer.u16(sequence)
    writer.u32(timestamp)
    writer.u32(ssrc)
    for csrc in csrcs { writer.u32(csrc) }
    if let extensionProfile {
      var data = ByteWriter()
      for element in elements {
        if extensionProfile == 0xbede {
          data.u8(element.id << 4 | UInt8(element.data.count - 1))
        } else {
          data.u8(element.id)
          data.u8(UInt8(element.data.count))
        }
        data.append(element.data)
      }
      data.pad(to: 4)
      writer.u16(extensionProfile)
      writer.u16(UInt16(data.count / 4))
      writer.append(data.bytes)
    }
    writer.append(payload)
    if padding > 0 { writer.append([UInt8](repeating: 0, count: padding - 1) + [UInt8(padding)]) }
    return writer.bytes
  }

  var headerLength: Int { bytes.count - payload.count - padding }
}

extension Packet {
  init(_ bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    guard let first = reader.u8(), first >> 6 == 2, let second = reader.u8(), let sequence = reader.u16(),
      let timestamp = reader.u32(), let ssrc = reader.u32()
    else { throw TestFailure() }
    payloadType = second & 0x7f
    marker = second & 0x80 != 0
    self.sequence = sequence
    self.timestamp = timestamp
    self.ssrc = ssrc
    for _ in 0..<first & 0x0f {
      guard let csrc = reader.u32() else { throw TestFailure() }
      csrcs.append(csrc)
    }
    if first & 0x10 != 0 {
      guard let profile = reader.u16(), let words = reader.u16(), let data = reader.take(Int(words) * 4) else {
        throw TestFailure()
      }
      extensionProfile = profile
      var rest = ByteReader(data)
      while let first = rest.u8() {
        if first == 0 { continue }
        let id = profile == 0xbede ? first >> 4 : first
        let length = profile == 0xbede ? Int(first & 0x0f) + 1 : Int(rest.u8() ?? 0)
        guard let data = rest.take(length) else { throw TestFailure() }
        elements.append(Element(id: id, data: Array(data)))
      }
    }
    payload = Array(reader.rest())
    if first & 0x20 != 0 {
      guard let last = payload.last, Int(last) <= payload.count else { throw TestFailure() }
      padding = Int(last)
      payload.removeLast(padding)
    }
  }
}

/// What one copy was: its bytes and where it goes.
struct Sent: Hashable {
  var bytes: [UInt8]
  var transport: Int
  var sink: Int

  /// Of a clear copy.
  var packet: Packet { get throws { try Packet(bytes) } }
}

extension Forwarder {
  /// Receives one packet and makes every copy of it, `batch` at a time.
  mutating func forward(
    _ bytes: [UInt8], on tuple: FiveTuple, lane: Lane = .socket, now: Instant = .zero, batch: Int = 4,
    capacity: Int = 1600, sending: Lane? = .socket
  ) -> [Sent] {
    var datagram = bytes
    let memory = UnsafeMutableRawPointer.allocate(byteCount: batch * capacity, alignment: 16)
    defer { memory.deallocate() }
    var sent: [Sent] = []
    datagram.withUnsafeMutableBytes { datagram in
      let promised = receive(datagram, on: tuple, lane: lane, now: now)
      while true {
        var copies = (0..<batch).map { PacketCopy(packet: memory + $0 * capacity, capacity: capacity) }
        let count = copies.withUnsafeMutableBufferPointer { copy(into: $0) }
        if count == 0 { break }
        for made in copies.prefix(count) {
          sent.append(
            Sent(
              bytes: Array(UnsafeRawBufferPointer(start: made.packet, count: made.length)), transport: made.transport,
              sink: made.sink))
          account(made, sentOn: sending, now: now)
        }
      }
      #expect(sent.count <= promised)
    }
    return sent
  }

  mutating func forward(_ packet: Packet, on tuple: FiveTuple, now: Instant = .zero) -> [Sent] {
    forward(packet.bytes, on: tuple, now: now)
  }

  /// Every packet that waits to be sent again.
  mutating func repairs(now: Instant = .zero, batch: Int = 4, capacity: Int = 1600) -> [Sent] {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: batch * capacity, alignment: 16)
    defer { memory.deallocate() }
    var sent: [Sent] = []
    while hasRepairs {
      var copies = (0..<batch).map { PacketCopy(packet: memory + $0 * capacity, capacity: capacity) }
      let count = copies.withUnsafeMutableBufferPointer { beginRepairs(into: $0) }
      finishCopies()
      for made in copies.prefix(count) {
        sent.append(
          Sent(
            bytes: Array(UnsafeRawBufferPointer(start: made.packet, count: made.length)), transport: made.transport,
            sink: made.sink))
        account(made, sentOn: .socket, now: now)
      }
    }
    return sent
  }

  func count(_ outcome: RepairOutcome) -> UInt64 {
    statistics().verdicts.first { $0.name == "worker_nacked_\(outcome.rawValue)" }?.count ?? .max
  }

  mutating func apply(_ commands: [FastPathCommand]) {
    for command in commands { apply(command, now: .zero) }
  }

  func count(_ verdict: ForwardingVerdict) -> UInt64 {
    statistics().verdicts.first { $0.name == verdict.rawValue }?.count ?? .max
  }
}

/// Ids that tests use: transport 1 publishes from port 1000, transport 2 and up subscribe from 2000 and up.
let publisher = TransportID(rawValue: 1)
let publisherTuple = tuple(1000)
func subscriber(_ n: Int) -> TransportID { TransportID(rawValue: UInt32(1 + n)) }
func subscriberTuple(_ n: Int) -> FiveTuple { tuple(UInt16(1999 + n)) }
let source = SourceID(rawValue: 1)

func makeSource(
  _ id: SourceID = source, ssrc: UInt32 = 0xaaaa, clockRate: UInt32 = 90_000, repairs: SourceID? = nil,
  red: UInt8? = nil
) -> Source {
  var source = Source(
    id: id, transport: publisher, ssrc: ssrc, kind: .video, clockRate: clockRate, repairs: repairs, redPayloadType: red)
  if repairs == nil { source.codecs = [96: .vp8] } else { source.repairedPayloadTypes = [97: 96] }
  return source
}

/// A source whose sender answers NACKs.
func makeAnsweringSource() -> Source {
  var source = makeSource()
  source.answersNACKs = true
  return source
}

/// Retransmissions of `makeSource()`.
func makeRetransmissions(ssrc: UInt32 = 0xcccc) -> Source {
  makeSource(SourceID(rawValue: 99), ssrc: ssrc, repairs: source)
}

func makeSink(
  _ n: Int = 1, subscriber number: Int? = nil, source id: SourceID = source, ssrc: UInt32? = nil,
  payloadTypes: [UInt8: UInt8] = [96: 120], extensions: [UInt8: UInt8] = [:], mid: (id: UInt8, value: [UInt8])? = nil,
  sequenceOffset: UInt16 = 0, timestampOffset: UInt32 = 0, retransmission: UInt32? = nil, isPaused: Bool = false
) -> Sink {
  Sink(
    id: SinkID(rawValue: UInt32(n)), source: id, transport: subscriber(number ?? n),
    ssrc: ssrc ?? UInt32(0xb000 + n), payloadTypes: payloadTypes, extensions: extensions, mid: mid,
    sequenceOffset: sequenceOffset, timestampOffset: timestampOffset,
    retransmission: retransmission.map { RetransmissionStream(ssrc: $0, payloadTypes: [120: 121]) }, isPaused: isPaused)
}

/// A clear publisher with one source and `subscribers` clear receivers without sinks.
func clearRoom(subscribers: Int = 1, provider: CryptographyProvider = .preferred) -> Forwarder {
  var forwarder = Forwarder(cryptography: provider)
  forwarder.apply(.addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear)), now: .zero)
  for n in 1..<subscribers + 1 {
    forwarder.apply(
      .addTransport(Transport(id: subscriber(n), tuple: subscriberTuple(n), protection: .clear)), now: .zero)
  }
  forwarder.apply(.addSource(makeSource()), now: .zero)
  return forwarder
}
