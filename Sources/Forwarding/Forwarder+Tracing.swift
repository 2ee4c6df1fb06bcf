// For people who look at single packets.
extension Forwarder {
  /// The sinks that a packet of the source goes to if it has this payload type; none if the source is unknown.
  public func sinks(of id: SourceID, takingPayloadType payloadType: UInt8) -> [SinkID] {
    guard let slot = streamsByID[id] else { return [] }
    var found: [SinkID] = []
    for i in 0..<streams[slot].pointee.sinkCount {
      let sink = sinks[Int(streams[slot].pointee.sinks[i])]
      guard !sink.pointee.isPaused, sink.pointee.payloadTypes[Int(payloadType & 0x7f)] != 0xff else { continue }
      found.append(sink.pointee.id)
    }
    return found
  }
}
