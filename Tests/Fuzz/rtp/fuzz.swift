import RTP

/// RTP header, header extensions and RED blocks of any bytes: never outside them, and what is read survives the way back.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let packet = UnsafeRawBufferPointer(start: data, count: size)
  _ = RTPLayout.parseProtected(packet)
  if let view = RTPPacketView(packet) {
    for element in view.extensions { _ = element.data(in: packet).reduce(0, ^) }
    if let red = REDLayout.parse(view.payload) {
      for block in red.blocks(of: view.payload) { _ = block.data(in: view.payload).reduce(0, ^) }
    }
  }
  guard let value = try? RTPPacket.decode(Array(packet)) else { return 0 }
  precondition((try? RTPPacket.decode(value.encode())) == value)
  return 0
}
