import Forwarding
import Testing
import Wire

/// Datagrams that are not RTP: what a flood of them cannot do.
@Suite struct ControlTests {
  private func stranger(_ address: UInt32, port: UInt16 = 9) -> FiveTuple {
    FiveTuple(local: SocketAddress(.v4(0x0a00_0001), 3478), remote: SocketAddress(.v4(address), port))
  }

  private func forwarder(one: Rate, strangers: Rate) -> Forwarder {
    var limits = ForwardingLimits()
    limits.controlOfOne = one
    limits.controlOfStrangers = strangers
    var forwarder = Forwarder(cryptography: .preferred, limits: limits)
    forwarder.apply([.addTransport(Transport(id: publisher, tuple: publisherTuple, protection: .clear))])
    return forwarder
  }

  @Test("An address has its burst, then its rate, whatever its ports")
  func address() {
    var forwarder = forwarder(one: Rate(perSecond: 10, burst: 5), strangers: Rate(perSecond: 1000, burst: 1000))
    var admitted = (0..<20).filter { forwarder.admitsControl(on: stranger(1, port: $0), now: .zero) }.count
    #expect(admitted == 5)
    let isOtherAdmitted = forwarder.admitsControl(on: stranger(2), now: .zero)
    #expect(isOtherAdmitted)
    admitted = (1...1000).filter { forwarder.admitsControl(on: stranger(1), now: milliseconds(UInt64($0) * 10)) }.count
    #expect((99...101).contains(admitted))
    #expect(forwarder.count(.controlRateLimited) == UInt64(15 + 1000 - admitted))
  }

  @Test("An IPv6 host is its /64")
  func prefix() {
    var forwarder = forwarder(one: Rate(perSecond: 1, burst: 2), strangers: Rate(perSecond: 1000, burst: 1000))
    func admits(_ high: UInt64, _ low: UInt64) -> Bool {
      let local = SocketAddress(.v6(9, 9), 3478)
      return forwarder.admitsControl(
        on: FiveTuple(local: local, remote: SocketAddress(.v6(high, low), 9)), now: .zero)
    }
    let admitted = [admits(1, 1), admits(1, 2), admits(1, 3), admits(2, 1)]
    #expect(admitted == [true, true, false, true])
  }

  @Test("Any number of strangers share one rate, and leave a transport its own")
  func strangers() {
    var forwarder = forwarder(one: Rate(perSecond: 10, burst: 10), strangers: Rate(perSecond: 100, burst: 50))
    let admitted = (0..<100_000).filter { forwarder.admitsControl(on: stranger(UInt32($0)), now: .zero) }.count
    #expect(admitted == 50)
    let ofTransport = (0..<20).filter { _ in forwarder.admitsControl(on: publisherTuple, now: .zero) }.count
    #expect(ofTransport == 10)
  }

  @Test("A thousand clients behind one NAT may begin at once")
  func crowd() {
    var forwarder = Forwarder()
    let admitted = (0..<1000).filter { forwarder.admitsControl(on: stranger(1, port: $0), now: .zero) }.count
    #expect(admitted == 1000)
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
