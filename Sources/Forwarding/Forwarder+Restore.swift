import RTP
import SRTP
import Wire

// Retransmissions of a publisher (RFC 4588): taken as the packets that they repeat, and never passed on as such.
extension Forwarder {
  /// Makes of the retransmission received last the packet that it repeats, which goes the way of every other from here; else
  /// says why not.
  mutating func restore(now: Instant) -> ForwardingVerdict? {
    guard packet.pointee.payload.count >= MemoryLayout<UInt16>.size else { return .emptyRetransmission }
    let retransmissions = streams[packet.pointee.stream]
    let payloadType = retransmissions.pointee.meaning(of: packet.pointee.layout.payloadType)
    guard let stream = retransmissions.pointee.repairs.flatMap({ streamsByID[$0] }),
      payloadType != SinkSlot.unmapped, !streams[stream].pointee.inbound.isEmpty
    else { return .unknownRepair }
    let index = streams[stream].pointee.inbound.estimate(packet.pointee.payload.bigEndianU16(at: 0))
    // Nothing is missed beyond the latest packet, so that a wrong number moves nothing.
    guard index <= streams[stream].pointee.inbound.highest else { return .unknownRepair }
    guard streams[stream].pointee.inbound.accepts(index) else {
      streams[stream].pointee.statistics.repairedInVain &+= 1
      return .repairedInVain
    }
    streams[stream].pointee.inbound.record(index)
    streams[stream].pointee.statistics.repaired &+= 1
    totals.repaired &+= 1
    if let time = streams[stream].pointee.missing.came(index, again: true, now: now) {
      streams[stream].pointee.statistics.repairNanoseconds &+= time.nanoseconds
      streams[stream].pointee.statistics.roundTrip = streams[stream].pointee.missing.roundTrip.value
    }
    if isCapturing { keepArrival() }
    packet.pointee.restore(payloadType: payloadType, ssrc: streams[stream].pointee.ssrc)
    packet.pointee.index = index
    packet.pointee.stream = stream
    return nil
  }
}
