import Forwarding
import Testing
import Wire

/// Datagrams that are not RTP: what a flood of them cannot do.
@Suite struct ControlTests {
  private func stranger(_ address: UInt32, port: UInt16 = 9) -> FiveTuple {
    FiveTuple(local: SocketAddress(.v4(0x0a00_0001), 3478), remote: SocketAddress(.v4(address), port))
  }

  private let peer = TransportID(rawValue: 77)
  private let checked = FiveTuple(
    local: SocketAddress(.v4(0x0a00_0001), 3478), remote: SocketAddress(.v4(0xc000_0201), 5000))

  /// A Binding request with a USERNAME.
  private func check(_ fragment: String) -> [UInt8] {
    let name = [UInt8]((fragment + ":theirs").utf8)
    let attribute = [0, 6, 0, UInt8(name.count)] + name + [UInt8](repeating: 0, count: -name.count & 3)
    return [0, 1, 0, UInt8(attribute.count), 0x21, 0x12, 0xa4, 0x42] + [UInt8](repeating: 5, count: 12) + attribute
  }

  private func forwarder(of limits: ForwardingLimits = ForwardingLimits()) -> Forwarder {
    var forwarder = Forwarder(cryptography: .preferred, limits: limits)
    forwarder.apply([
      .addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear)),
      .expect(peer, Expectation(usernameFragments: ["old1", "new1"], tuples: [checked])),
    ])
    return forwarder
  }

  private static let dtls: [UInt8] = [22, 254, 253, 0, 0]

  @Test("Of strangers only checks that name a peer are taken, and what comes from where one was valid")
  func expected() {
    var forwarder = forwarder()
    let good = [(check("old1"), stranger(1)), (check("new1"), stranger(2)), (Self.dtls, checked)]
    let bad: [[UInt8]] = [
      check("new"), check("new11"), check(""), Self.dtls, [200, 201, 0, 1], [0], Array(check("old1").dropLast(9)),
    ]
    let taken = good.map { forwarder.takes($0, on: $1) } + bad.map { forwarder.takes($0, on: stranger(3)) }
    #expect(taken == [Bool](repeating: true, count: 3) + [Bool](repeating: false, count: 7))
    #expect(forwarder.count(.unexpected) == 7)
  }

  @Test("A renewed expectation replaces the one before, and an empty one ends it")
  func renewed() {
    var forwarder = forwarder()
    func taken() -> [Bool] {
      [(check("old1"), stranger(1)), (Self.dtls, checked), (check("new1"), stranger(1)), (Self.dtls, stranger(9))]
        .map { forwarder.takes($0, on: $1) }
    }
    forwarder.apply([.expect(peer, Expectation(usernameFragments: ["new1"], tuples: [stranger(9)]))])
    let afterwards = taken()
    #expect(afterwards == [false, false, true, true])
    forwarder.apply([.expect(peer, Expectation())])
    let ended = taken()
    #expect(ended == [false, false, false, false])
  }

  @Test("Any number of strangers leave every peer its rate, and a peer's leave a transport its own")
  func strangers() {
    var limits = ForwardingLimits()
    limits.controlOfOne = Rate(perSecond: 10, burst: 10)
    limits.controlOfExpected = Rate(perSecond: 10, burst: 5)
    var forwarder = forwarder(of: limits)
    for n in 0..<100_000 { _ = forwarder.takes(Self.dtls, on: stranger(UInt32(n))) }
    #expect(forwarder.count(.unexpected) == 100_000)
    let ofPeer = (0..<20).filter { forwarder.takes(check("new1"), on: stranger(UInt32($0))) }.count
    let ofTransport = (0..<20).filter { _ in forwarder.takes(Self.dtls, on: publisherTuple) }.count
    #expect(ofPeer == 5 && ofTransport == 10)
    #expect(forwarder.count(.controlRateLimited) == 25)
    let later = (1...100).filter { n in
      forwarder.takes(check("new1"), on: checked, at: milliseconds(UInt64(n + 5) * 100))
    }.count
    #expect(later == 100)
  }

  @Test("All peers that connect share one rate")
  func crowd() {
    var limits = ForwardingLimits()
    limits.controlOfAllExpected = Rate(perSecond: 100, burst: 50)
    var forwarder = forwarder(of: limits)
    for n in 0..<100 {
      forwarder.apply([.expect(TransportID(rawValue: UInt32(1000 + n)), Expectation(usernameFragments: ["peer\(n)"]))])
    }
    let taken = (0..<100).filter { forwarder.takes(check("peer\($0)"), on: stranger(1)) }.count
    #expect(taken == 50)
  }

  @Test("Datagrams that wait are bounded in number and octets; no other event is lost, and order is kept")
  func backlog() {
    func datagram(_ length: Int) -> FastPathEvent {
      .datagram(bytes: [UInt8](repeating: 0, count: length), tuple: publisherTuple, receivedAt: .zero)
    }
    var backlog = EventBacklog()
    for n in 0..<EventBacklog.maximumDatagrams + 10 {
      backlog.append([datagram(1), .missing(source, [UInt16(truncatingIfNeeded: n)])])
    }
    #expect(backlog.refusals == 10)
    var missing: [UInt16] = []
    var datagrams = 0
    while !backlog.isEmpty {
      let slice = backlog.take(100)
      #expect(slice.count <= 100)
      for event in slice {
        if case .missing(_, let sequences) = event { missing += sequences } else { datagrams += 1 }
      }
    }
    #expect(missing == (0..<UInt16(EventBacklog.maximumDatagrams + 10)).map { $0 })
    #expect(datagrams == EventBacklog.maximumDatagrams)

    // What was taken makes room.
    for _ in 0..<5000 { backlog.append([datagram(2048)]) }
    #expect(backlog.refusals == 10 + 5000 - UInt64(EventBacklog.maximumOctets / 2048))
  }
}

extension Forwarder {
  fileprivate mutating func takes(_ datagram: [UInt8], on tuple: FiveTuple, at now: Instant = .zero) -> Bool {
    datagram.withUnsafeBytes { admitsControl($0, on: tuple, now: now) }
  }
}
