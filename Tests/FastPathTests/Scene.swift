import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// Everything of a call over the cable: the fast path on the server's end, one publisher and receivers on the client's.
struct Scene {
  let network: Network
  let call: Call
  let publisher: UDPClient
  let receivers: [UDPClient]
  let media: SocketAddress

  init(
    local: String = "10.9.0.1", remote: String = "10.9.0.2", receivers count: Int = 4, prepare: String? = nil,
    clientsOnServer: Bool = false, configure: (inout FastPathConfiguration) -> Void = { _ in }
  ) throws {
    let network = try Network()
    self.network = network
    if let prepare {
      try shell("set -e; S=\(network.server); C=\(network.client); \(prepare)")
    }
    var configuration = FastPathConfiguration(mediaPort: 0, interfaces: ["v0"], lane: .xsk)
    configure(&configuration)
    call = try network.onServer { [configuration] in try Call(configuration) }
    func clients(_ count: Int) throws -> [UDPClient] { try (0..<count).map { _ in try UDPClient(remote) } }
    let all =
      try clientsOnServer ? network.onServer { try clients(count + 1) } : network.onClient { try clients(count + 1) }
    publisher = all[0]
    receivers = Array(all[1...])
    let ip = try #require(IPAddress(local))
    media = SocketAddress(ip, call.fastPath.boundPort)
    call.connect(ip, publisher: publisher.address, ssrc: 7, receivers: receivers.map(\.address))
  }

  func send(_ sequences: Range<Int>, payloadLength: Int = 1000) {
    for sequence in sequences {
      publisher.send(Call.packet(UInt16(sequence), ssrc: 7, payloadLength: payloadLength), to: media)
    }
  }

  /// Expects the copies of that many packets at every receiver.
  func expectCopies(_ count: Int, payloadLength: Int = 1000) throws {
    for (number, receiver) in receivers.enumerated() {
      for packet in 0..<count {
        let received = receiver.receive()
        let copy = try #require(received, "receiver \(number), packet \(packet) of \(count): \(call.told.lines)")
        #expect(copy.from == media)
        #expect(Call.ssrc(copy.bytes) == 1000 + UInt32(number))
        #expect(copy.bytes.count == 12 + payloadLength)
        #expect(copy.bytes[12...] == Call.packet(0, ssrc: 7, payloadLength: payloadLength)[12...])
      }
    }
  }

  /// Sends single packets until the counters say that copies take the xsk lane: neighbours must be found first.
  func warmUp(payloadLength: Int = 1000) throws {
    var sequence = 40_000
    let isReady = eventually {
      send(sequence..<sequence + 1, payloadLength: payloadLength)
      sequence += 1
      _ = receivers.map { $0.receive(milliseconds: 50) }
      let statistics = call.fastPath.statistics()
      return !statistics.sinks.isEmpty && statistics.sinks.allSatisfy { $0.lane == .xsk }
    }
    #expect(isReady, "\(call.fastPath.statistics().sinks.map(\.laneReason)) \(call.told.lines)")
    for receiver in receivers { while receiver.receive(milliseconds: 20) != nil {} }
    // So that what is published now counts all of this.
    let published = call.fastPath.statistics().at
    #expect(eventually { call.fastPath.statistics().at > published })
  }

  func stop() { call.fastPath.stop() }
}

extension FastPathStatistics {
  var receivedOnXSK: UInt64 { sources.reduce(0) { $0 + $1.packetsOnXSK } }
  var sentOnXSK: UInt64 { sinks.reduce(0) { $0 + $1.packetsOnXSK } }
}
