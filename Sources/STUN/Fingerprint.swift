import Wire

/// FINGERPRINT (RFC 8489 section 14.7): CRC-32 of the message up to the attribute, XORed with 0x5354554e. It tells STUN
/// from other protocols on the same port, and proves nothing about the sender.
extension STUNMessage {
  public var hasFingerprint: Bool { if case .fingerprint = attributes.last { true } else { false } }

  /// Whether the FINGERPRINT of this message, decoded from `bytes`, fits them. False without one.
  public func fingerprintIsValid(_ bytes: [UInt8]) -> Bool {
    guard case .fingerprint(let received) = attributes.last, bytes.count >= Self.headerSize + fingerprintAttributeSize
    else { return false }
    return received == crc32(bytes[..<(bytes.count - fingerprintAttributeSize)]) ^ fingerprintMask
  }
}

private let fingerprintMask: UInt32 = 0x5354_554e
private let fingerprintAttributeSize = 8

extension ByteWriter {
  mutating func appendFingerprint() {
    setMessageLength(of: count + fingerprintAttributeSize)
    let value = crc32(bytes[...]) ^ fingerprintMask
    u16(AttributeType.fingerprint)
    u16(4)
    u32(value)
  }
}

/// The CRC-32 of ITU V.42, as in Ethernet and zip.
private func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  ~bytes.reduce(UInt32.max) { crc, byte in crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
}

private let crcTable: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? 0xedb8_8320 ^ crc >> 1 : crc >> 1 }
}
