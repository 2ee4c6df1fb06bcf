import Wire

/// A frame that the XDP program sent here: Ethernet, perhaps 802.1Q, IPv4 or IPv6, UDP. The program has checked it;
/// what would read or write past its end is checked again.
struct ReceivedFrame {
  let payload: UnsafeMutableRawBufferPointer
  let tuple: FiveTuple
  private let addresses: UnsafeRawPointer
  private let isV6: Bool

  @inline(__always)
  init?(_ frame: UnsafeMutableRawPointer, length: Int) {
    guard length >= 14 + 20 + 8 else { return nil }
    var ip = 14
    var type = frame.bigEndianU16(at: 12)
    if type == 0x8100 {
      type = frame.bigEndianU16(at: 16)
      ip = 18
    }
    let udp = ip &+ (type == 0x0800 ? 20 : 40)
    guard type == 0x0800 || type == 0x86dd, length >= udp &+ 8 else { return nil }
    let end = udp &+ Int(frame.bigEndianU16(at: udp &+ 4))
    guard end >= udp &+ 8, end <= length else { return nil }
    payload = UnsafeMutableRawBufferPointer(start: frame + udp + 8, count: end &- udp &- 8)
    isV6 = type == 0x86dd
    addresses = UnsafeRawPointer(frame) + ip + (isV6 ? 8 : 12)
    let remote: IPAddress
    let local: IPAddress
    if type == 0x0800 {
      remote = .v4(UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: ip &+ 12, as: UInt32.self)))
      local = .v4(UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: ip &+ 16, as: UInt32.self)))
    } else {
      remote = IPAddress(networkOrder: frame + ip + 8)
      local = IPAddress(networkOrder: frame + ip + 24)
    }
    tuple = FiveTuple(
      local: SocketAddress(local, frame.bigEndianU16(at: udp &+ 2)),
      remote: SocketAddress(remote, frame.bigEndianU16(at: udp)))
  }

  /// Whether the UDP checksum is right, or there is none to go by: 0 over IPv4 (RFC 768), or the pseudo-header's alone,
  /// which a sender on this machine leaves to the hardware (CHECKSUM_PARTIAL). The network stack looks at no frame here.
  @inline(__always)
  func isIntact() -> Bool {
    guard let base = payload.baseAddress else { return false }
    let udp = base - 8
    let check = udp.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
    guard check != 0 else { return !isV6 }
    let length = UInt64(udp.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
    let pseudoHeader = Checksum.sum(addresses, isV6 ? 32 : 8) &+ UInt64(UInt16(17).bigEndian) &+ length
    return Checksum.finish(pseudoHeader &+ Checksum.sum(udp, payload.count &+ 8)) == 0
      || Checksum.finish(pseudoHeader) == ~check
  }
}

extension UnsafeMutableRawPointer {
  @inline(__always)
  fileprivate func bigEndianU16(at offset: Int) -> UInt16 {
    UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }
}
