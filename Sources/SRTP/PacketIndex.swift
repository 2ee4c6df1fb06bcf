/// The 48-bit SRTP packet index (RFC 3711 section 3.3.1): rollover counter in the upper 32 bits, sequence number below.
public enum PacketIndex {
  public static let end: UInt64 = 1 << 48

  /// The index of a packet numbered `sequence`, given the highest index seen so far (RFC 3711 appendix A). Before the
  /// first rollover a number far above the highest is a jump forward, since there is nothing below to return to.
  @inlinable @inline(__always)
  public static func estimate(_ sequence: UInt16, highest: UInt64) -> UInt64 {
    let difference = Int16(bitPattern: sequence &- UInt16(truncatingIfNeeded: highest))
    // -32768 is exactly half-way round; the RFC takes it as backwards below 32768 and as forwards from there on.
    if difference == .min {
      return UInt16(truncatingIfNeeded: highest) < 0x8000 ? highest &+ 0x8000 : highest &- 0x8000
    }
    let index = Int64(bitPattern: highest) &+ Int64(difference)
    return index >= 0 ? UInt64(bitPattern: index) : UInt64(sequence)
  }
}
