import RTP

/// Which part of a packet's payload one sink gets, under which payload type.
struct CopiedPayload {
  let payloadType: UInt8
  /// In the packet received.
  let start: UnsafeRawPointer
  /// Octets, padding included.
  let length: Int
  /// Whether the payload types of RED blocks must change.
  let rewritesBlocks: Bool

  /// nil if the sink does not take what the packet carries.
  @inline(__always)
  static func select(
    from packet: UnsafeMutablePointer<ReceivedPacket>, for sink: UnsafeMutablePointer<SinkSlot>
  ) -> CopiedPayload? {
    guard let base = packet.pointee.memory.baseAddress else { return nil }
    let outer = sink.pointee.payloadTypes[Int(packet.pointee.layout.payloadType & 0x7f)]
    let length = packet.pointee.memory.count &- packet.pointee.layout.payloadOffset
    if let red = packet.pointee.red {
      return select(red, outer: outer, payload: packet.pointee.payload, length: length, for: sink)
    }
    guard outer != SinkSlot.unmapped else { return nil }
    return CopiedPayload(
      payloadType: outer, start: UnsafeRawPointer(base + packet.pointee.layout.payloadOffset), length: length,
      rewritesBlocks: false)
  }

  /// RED goes on as RED if the sink takes it with every block in it, else as its primary block alone.
  private static func select(
    _ red: REDLayout, outer: UInt8, payload: UnsafeRawBufferPointer, length: Int,
    for sink: UnsafeMutablePointer<SinkSlot>
  ) -> CopiedPayload? {
    guard let base = payload.baseAddress else { return nil }
    var isTaken = outer != SinkSlot.unmapped
    var isSame = true
    for block in red.blocks(of: payload) {
      let type = sink.pointee.payloadTypes[Int(block.payloadType & 0x7f)]
      if type == SinkSlot.unmapped { isTaken = false }
      if type != block.payloadType { isSame = false }
    }
    if isTaken { return CopiedPayload(payloadType: outer, start: base, length: length, rewritesBlocks: !isSame) }
    let primary = sink.pointee.payloadTypes[Int(red.primary.payloadType & 0x7f)]
    guard primary != SinkSlot.unmapped else { return nil }
    return CopiedPayload(
      payloadType: primary, start: base + red.primary.offset, length: length &- red.primary.offset,
      rewritesBlocks: false)
  }

  /// Maps the payload type in each block header of the RED payload at `payload`.
  static func rewriteBlockTypes(
    of red: REDLayout, at payload: UnsafeMutableRawPointer, by sink: UnsafeMutablePointer<SinkSlot>
  ) {
    for block in 0...red.redundantBlockCount {
      let header = payload + block &* 4
      let octet = header.load(as: UInt8.self)
      header.storeBytes(of: octet & 0x80 | sink.pointee.payloadTypes[Int(octet & 0x7f)], as: UInt8.self)
    }
  }
}
