import RTP
import SRTP
import Wire

// Packets told of before they are received: some cost less to open together.
extension Forwarder {
  /// Whether announcing changes anything.
  @inline(__always)
  public var gainsFromAnnouncing: Bool { announceableTransports > 0 }

  /// Tells of a packet that `receive` will get soon. It and every other announced stay as they are until they are received
  /// or `forgetAnnounced` is called, and no command comes between.
  public mutating func announce(_ datagram: UnsafeMutableRawBufferPointer, on tuple: FiveTuple) {
    guard let base = datagram.baseAddress, let transport = findTransport(tuple),
      transports[transport].pointee.gainsFromAnnouncing,
      let layout = RTPLayout.parseProtected(UnsafeRawBufferPointer(datagram)),
      let index = acceptableIndex(layout, transport)
    else { return }
    transports[transport].pointee.announce(base, layout, length: datagram.count, index: index, engine: &engine)
  }

  /// The index that a packet has, as far as is known before those ahead of it are received; nil if it will be refused.
  private func acceptableIndex(_ layout: RTPLayout, _ transport: Int) -> UInt64? {
    guard let stream = streamsBySSRC.find(streamKey(transport, layout.ssrc)) else {
      return firstIndex(layout, transport)
    }
    let index = streams[stream].pointee.inbound.estimate(layout.sequence)
    return streams[stream].pointee.inbound.accepts(index) ? index : nil
  }

  /// Begins to open those announced.
  @inline(__always)
  public mutating func beginAnnounced() { engine.beginAnnounced() }

  @inline(__always)
  public mutating func forgetAnnounced() { engine.forgetAnnounced() }
}

extension TransportSlot {
  fileprivate func announce(
    _ packet: UnsafeMutableRawPointer, _ layout: RTPLayout, length: Int, index: UInt64, engine: inout CryptographyEngine
  ) {
    switch opener {
    case .some(let opener):
      opener.announce(
        packet, headerLength: layout.payloadOffset, length: length, ssrc: layout.ssrc, index: index, engine: &engine)
    case .none: break
    }
  }
}
