import RTP

/// Any bytes as a compound packet: what decodes encodes to bytes that stay the same from then on.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  guard let packets = try? RTCPPacket.decode(compound: bytes) else { return 0 }
  let encoded = RTCPPacket.encode(packets)
  let again = try? RTCPPacket.decode(compound: encoded)
  precondition(again.map(RTCPPacket.encode) == encoded)
  return 0
}
