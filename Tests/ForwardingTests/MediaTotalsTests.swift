import Forwarding
import Testing
import Wire

@Suite("Media since the start") struct MediaTotalsTests {
  @Test(
    "Outlives its streams, whichever way they go",
    arguments: [FastPathCommand.removeSource(source), .removeTransport(publisher)])
  func outlives(_ end: FastPathCommand) {
    var forwarder = clearRoom()
    forwarder.apply([.addSink(makeSink())])
    for n in UInt16(0)..<3 {
      let lane: Lane = n == 0 ? .socket : .xsk
      _ = forwarder.forward(Packet(sequence: n).bytes, on: publisherTuple, lane: lane, sending: lane)
    }
    _ = forwarder.forward(Packet(sequence: 2).bytes, on: publisherTuple, lane: .xsk)
    forwarder.apply([end])
    let totals = forwarder.mediaTotals
    let length = UInt64(Packet().bytes.count)
    #expect(forwarder.statistics().sources.isEmpty)
    for way in [totals.received, totals.sent] {
      #expect(way[.socket] == MediaTotals.Count(packets: 1, bytes: length))
      #expect(way[.xsk] == MediaTotals.Count(packets: 2, bytes: 2 * length))
      #expect(way[.kernel] == MediaTotals.Count())
    }
    #expect(totals.replays == 1 && totals.authenticationFailures == 0)
  }

  @Test("What the kernel counted of streams that are gone is in them")
  func kernel() {
    var forwarder = clearRoom()
    forwarder.apply([.removeTransport(publisher)])
    var received = KernelSourceCounts()
    (received.packets, received.bytes) = (7, 700)
    var sent = KernelSinkCounts()
    (sent.packets, sent.bytes) = (14, 1400)
    forwarder.absorb(received, of: source)
    forwarder.absorb(sent, of: SinkID(rawValue: 1))
    #expect(forwarder.mediaTotals.received.kernel == MediaTotals.Count(packets: 7, bytes: 700))
    #expect(forwarder.mediaTotals.sent.kernel == MediaTotals.Count(packets: 14, bytes: 1400))
  }
}
