import FastPath
import Forwarding
import Glibc
import Testing
import Wire

/// What one source sends does not keep everything else waiting.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct TurnTests {
  /// A burst that is one batch of packets for the xsk lane, and several for the socket lane, where a batch cannot be cut.
  @Test(arguments: [(LaneChoice.xsk, 60), (.socket, 300)])
  func controlIsReadWhileABurstIsForwarded(_ lane: LaneChoice, _ burst: Int) throws {
    let scene = try Scene(receivers: 1) { $0.lane = lane }
    defer { scene.stop() }
    addSinks(1000, to: scene)
    let control = try scene.network.onClient { try UDPClient("fd09::2") }
    let media = SocketAddress(try #require(IPAddress("fd09::1")), scene.media.port)
    scene.call.fastPath.perform([
      .expect(
        TransportID(rawValue: 999), Expectation(tuples: [FiveTuple(local: media, remote: control.address)]))
    ])
    var sent = 0
    let isReady = eventually {
      scene.send(sent..<sent + 1, payloadLength: 100)
      control.send([0], to: media)
      sent += 1
      let sinks = scene.call.fastPath.statistics().sinks
      return sinks.count == 1001 && sinks.allSatisfy { $0.packets > 0 && ($0.lane == .xsk) == (lane == .xsk) }
    }
    #expect(isReady && read([0], scene) != nil)

    scene.call.told.holdWorker(by: scene.publisher, at: scene.media) {
      scene.send(sent..<sent + burst, payloadLength: 100)
      control.send([1], to: media)
    }
    #expect(eventually { scene.call.fastPath.statistics().sources.first?.highestSequence == UInt32(sent + burst - 1) })
    let lastSent = try #require(scene.call.fastPath.statistics().sinks.compactMap(\.lastSent).max())
    #expect(try #require(read([1], scene)) < lastSent)
  }

  private func addSinks(_ count: UInt32, to scene: Scene) {
    scene.call.fastPath.perform(
      (1...count).map {
        .addSink(
          Sink(
            id: SinkID(rawValue: $0), source: SourceID(rawValue: 1), transport: TransportID(rawValue: 100),
            ssrc: 2000 + $0, payloadTypes: [96: 100]))
      })
  }

  /// When the worker read the first such datagram.
  private func read(_ bytes: [UInt8], _ scene: Scene) -> Instant? {
    for case .datagram(bytes, _, let instant) in scene.call.told.all { return instant }
    return nil
  }
}
