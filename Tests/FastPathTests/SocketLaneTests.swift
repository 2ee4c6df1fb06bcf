import FastPath
import Forwarding
import Testing
import Wire

@Suite struct SocketLaneTests {
  private let configuration = FastPathConfiguration(mediaPort: 0, lane: .socket)

  @Test(arguments: ["127.0.0.1", "127.0.0.2", "::1"])
  func forwardsRTPToEverySink(_ ip: String) throws {
    let local = try #require(IPAddress(ip))
    let call = try Call(configuration)
    defer { call.fastPath.stop() }
    let publisher = try UDPClient(local.isV6 ? ip : "127.0.0.1")
    let receivers = try (0..<20).map { _ in try UDPClient(local.isV6 ? ip : "127.0.0.1") }
    call.connect(local, publisher: publisher.address, ssrc: 7, receivers: receivers.map(\.address))
    let media = SocketAddress(local, call.fastPath.boundPort)

    for sequence in 0..<100 { publisher.send(Call.packet(UInt16(sequence), ssrc: 7), to: media) }

    for (number, receiver) in receivers.enumerated() {
      for sequence in 0..<100 {
        let received = receiver.receive()
        let copy = try #require(received, "receiver \(number), packet \(sequence)")
        #expect(copy.from == media)
        #expect(Call.ssrc(copy.bytes) == 1000 + UInt32(number))
        #expect(copy.bytes[1] == 100)
        #expect(copy.bytes[12...] == Call.packet(0, ssrc: 7)[12...])
      }
    }
    #expect(eventually { call.fastPath.statistics().sinks.map(\.packetsOnSocket).reduce(0, +) == 2000 })
    let statistics = call.fastPath.statistics()
    #expect(statistics.sources.first?.packetsOnSocket == 100)
    #expect(statistics.forwardingTimes.counts.reduce(0, +) == 100)
  }

  @Test(arguments: [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
  func sendsDatagramsOfOneLengthTogether(_ server: String, _ client: String) throws {
    let local = try #require(IPAddress(server))
    let network = try Network()
    let call = try network.onServer { try Call(configuration) }
    defer { call.fastPath.stop() }
    let publisher = try network.onClient { try UDPClient(client) }
    let receivers = try network.onClient { try (0..<2).map { _ in try UDPClient(client) } }
    for receiver in receivers { receiver.takeSegmentsTogether() }
    call.connect(local, publisher: publisher.address, ssrc: 7, receivers: receivers.map(\.address))
    let media = SocketAddress(local, call.fastPath.boundPort)

    // One message ends with a shorter datagram, or before a longer one.
    let lengths = [200, 200, 200, 90, 200, 200, 1000, 1000, 1000, 90, 100]
    call.told.holdWorker(by: publisher, at: media) {
      for (sequence, length) in lengths.enumerated() {
        publisher.send(Call.packet(UInt16(sequence), ssrc: 7, payloadLength: length - 12), to: media)
      }
    }

    for (number, receiver) in receivers.enumerated() {
      let reads = [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9], [10]]
      for sequences in reads {
        var read = try #require(receiver.receive()).bytes[...]
        #expect(read.count == sequences.map { lengths[$0] }.reduce(0, +))
        for sequence in sequences {
          let copy = Array(read.prefix(lengths[sequence]))
          let packet = Call.packet(UInt16(sequence), ssrc: 7, payloadLength: lengths[sequence] - 12)
          read = read.dropFirst(lengths[sequence])
          #expect(Call.ssrc(copy) == 1000 + UInt32(number))
          #expect(copy.dropFirst(12) == packet[12...])
          #expect(copy[2...3] == packet[2...3])
        }
      }
      #expect(receiver.receive(milliseconds: 0) == nil)
    }
    #expect(eventually { call.fastPath.statistics().sinks.allSatisfy { $0.packetsOnSocket == UInt64(lengths.count) } })
  }

  /// The kernel refuses to cut segments that the path cannot take whole.
  @Test func sendsDatagramsSinglyWhereThePathIsNarrow() throws {
    let network = try Network()
    try shell("ip -n \(network.server) route replace 10.9.0.0/24 dev v0 src 10.9.0.1 mtu 1000")
    let call = try network.onServer { try Call(configuration) }
    defer { call.fastPath.stop() }
    let publisher = try network.onClient { try UDPClient("10.9.0.2") }
    let receiver = try network.onClient { try UDPClient("10.9.0.2") }
    let local = IPAddress.v4(0x0a09_0001)
    call.connect(local, publisher: publisher.address, ssrc: 7, receivers: [receiver.address])
    let media = SocketAddress(local, call.fastPath.boundPort)

    for first in [0, 20] {
      call.told.holdWorker(by: publisher, at: media) {
        for sequence in first..<first + 20 {
          publisher.send(Call.packet(UInt16(sequence), ssrc: 7, payloadLength: 1188), to: media)
        }
      }
      for sequence in first..<first + 20 {
        let copy = try #require(receiver.receive())
        #expect(copy.bytes.count == 1200)
        #expect(copy.bytes[2...3] == Call.packet(UInt16(sequence), ssrc: 7)[2...3])
      }
    }
    #expect(eventually { call.fastPath.statistics().sinks.first?.packetsOnSocket == 40 })
    #expect(call.fastPath.statistics().count("socket_segments_refused") == 1)
  }

  /// What is wrong with the way for a moment says nothing of segments.
  @Test func sendsDatagramsTogetherAfterAnErrorThatPassed() throws {
    let network = try Network()
    try shell("ip -n \(network.client) addr add 10.9.1.2/32 dev v1")
    let call = try network.onServer { try Call(configuration) }
    defer { call.fastPath.stop() }
    let publisher = try network.onClient { try UDPClient("10.9.0.2") }
    let receiver = try network.onClient { try UDPClient("10.9.1.2") }
    receiver.takeSegmentsTogether()
    let local = IPAddress.v4(0x0a09_0001)
    call.connect(local, publisher: publisher.address, ssrc: 7, receivers: [receiver.address])
    let media = SocketAddress(local, call.fastPath.boundPort)
    func publish(_ sequences: Range<UInt16>) {
      call.told.holdWorker(by: publisher, at: media) {
        for sequence in sequences { publisher.send(Call.packet(sequence, ssrc: 7), to: media) }
      }
    }
    publish(0..<4)
    #expect(eventually { call.fastPath.statistics().sinks.first?.dropped == 4 }, "no route")
    try shell("ip -n \(network.server) route add 10.9.1.2 dev v0 src 10.9.0.1")
    publish(4..<8)
    #expect(try #require(receiver.receive()).bytes.count == 4 * Call.packet(0, ssrc: 7).count)
    #expect(eventually { call.fastPath.statistics().sinks.first?.packetsOnSocket == 4 })
    #expect(call.fastPath.statistics().count("socket_segments_refused") == 0)
  }

  @Test func tellsEverythingButRTP() throws {
    let call = try Call(configuration)
    defer { call.fastPath.stop() }
    let client = try UDPClient("127.0.0.1")
    let local = SocketAddress(.v4(0x7f00_0003), call.fastPath.boundPort)
    let stun = [UInt8](repeating: 0, count: 20)
    let dtls: [UInt8] = [22, 254, 253]
    let rtcp: [UInt8] = [0x80, 200, 0, 1, 0, 0, 0, 1]
    let tuple = FiveTuple(local: local, remote: client.address)
    client.send(dtls, to: local)
    #expect(eventually { call.fastPath.statistics().count("worker_unexpected") == 1 })
    call.fastPath.perform([.expect(TransportID(rawValue: 9), Expectation(tuples: [tuple]))])
    // The command may come after a datagram.
    #expect(
      eventually {
        client.send(stun, to: local)
        return !call.told.datagrams.isEmpty
      })
    for datagram in [dtls, Call.packet(1, ssrc: 1), rtcp] { client.send(datagram, to: local) }

    #expect(eventually { call.told.datagrams.filter { $0.bytes != stun }.map(\.bytes) == [dtls, rtcp] })
    #expect(call.told.datagrams.allSatisfy { $0.tuple == tuple })
    #expect(eventually { call.fastPath.statistics().count("worker_unknown_tuple") == 1 })
  }

  @Test func sendsControlFromTheAddressAsked() throws {
    let call = try Call(configuration)
    defer { call.fastPath.stop() }
    let client = try UDPClient("127.0.0.1")
    let local = SocketAddress(.v4(0x7f00_0009), call.fastPath.boundPort)
    call.fastPath.send([(bytes: [1, 2, 3], tuple: FiveTuple(local: local, remote: client.address))])
    let answer = try #require(client.receive())
    #expect(answer.bytes == [1, 2, 3])
    #expect(answer.from == local)
  }

  @Test func followsATransportThatMoves() throws {
    let call = try Call(configuration)
    defer { call.fastPath.stop() }
    let local = IPAddress.v4(0x7f00_0001)
    let publisher = try UDPClient("127.0.0.1")
    let before = try UDPClient("127.0.0.1")
    let after = try UDPClient("127.0.0.1")
    call.connect(local, publisher: publisher.address, ssrc: 7, receivers: [before.address])
    let media = SocketAddress(local, call.fastPath.boundPort)
    publisher.send(Call.packet(1, ssrc: 7), to: media)
    #expect(before.receive() != nil)

    call.fastPath.perform([
      .moveTransport(TransportID(rawValue: 100), FiveTuple(local: media, remote: after.address))
    ])
    publisher.send(Call.packet(2, ssrc: 7), to: media)
    #expect(after.receive() != nil)
    #expect(before.receive(milliseconds: 0) == nil)

    call.fastPath.perform([.removeTransport(TransportID(rawValue: 100))])
    publisher.send(Call.packet(3, ssrc: 7), to: media)
    #expect(after.receive(milliseconds: 100) == nil)
  }

  @Test func namesThePortThatIsInUse() throws {
    let first = try Call(configuration)
    defer { first.fastPath.stop() }
    let port = first.fastPath.boundPort
    #expect(throws: FastPathError.portInUse(port: port)) {
      _ = try Call(FastPathConfiguration(mediaPort: port, lane: .socket))
    }
    #expect(FastPathError.portInUse(port: port).description.contains("\(port) is in use"))
  }

  @Test func stopsAtOnceAndTwice() throws {
    let call = try Call(configuration)
    call.fastPath.stop()
    call.fastPath.stop()
    call.fastPath.perform([.removeTransport(TransportID(rawValue: 1))])
  }

  @Test func loopbackIsTheLastLocalAddress() throws {
    let call = try Call(configuration)
    defer { call.fastPath.stop() }
    let addresses = try call.fastPath.localAddresses()
    #expect(addresses.contains(.v4(0x7f00_0001)))
    #expect(addresses.allSatisfy { !$0.isLinkLocal })
    let fromLoopback = addresses.drop { !$0.isLoopback }
    #expect(fromLoopback.allSatisfy { $0.isLoopback })
  }
}

extension Call.Told {
  var datagrams: [(bytes: [UInt8], tuple: FiveTuple)] {
    all.compactMap { if case .datagram(let bytes, let tuple, _) = $0 { (bytes, tuple) } else { nil } }
  }
}

extension FastPathStatistics {
  /// The counter of that name; nil if there is none.
  func count(_ name: String) -> UInt64? { verdicts.first { $0.name == name }?.count }
}
