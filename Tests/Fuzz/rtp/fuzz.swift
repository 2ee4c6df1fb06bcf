import RTP

/// RTP header, header extensions, key frames and RED blocks of any bytes: never outside them, and what is read survives the way back.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let packet = UnsafeRawBufferPointer(start: data, count: size)
  _ = RTPLayout.parseProtected(packet)
  if let layout = RTPLayout.parse(packet) {
    for element in layout.extensions(of: packet) { _ = element.data(in: packet).reduce(0, ^) }
    let payload = UnsafeRawBufferPointer(rebasing: packet[layout.payloadOffset..<size - layout.paddingLength])
    for codec in VideoCodec.allCases { _ = codec.beginsKeyFrame(payload) }
    if let red = REDLayout.parse(payload) {
      for block in red.blocks(of: payload) { _ = block.data(in: payload).reduce(0, ^) }
    }
  }
  guard let value = try? RTPPacket.decode(Array(packet)) else { return 0 }
  precondition((try? RTPPacket.decode(value.encode())) == value)
  return 0
}
