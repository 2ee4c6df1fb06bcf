/// A session salt as the integers that initialization vectors are made from by XOR.
struct SessionSalt {
  private let high: UInt64
  private let low: UInt64

  /// `salt`: 12 (GCM) or 14 (AES-CM) octets.
  init(_ salt: [UInt8]) {
    let padded = salt.prefix(16) + [UInt8](repeating: 0, count: max(0, 16 - salt.count))
    high = padded.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = padded.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Writes the 12-octet GCM IV (RFC 7714 section 8.1): (0 || SSRC || ROC || SEQ) XOR salt.
  @inline(__always)
  func writeGCMVector(ssrc: UInt32, index: UInt64, to iv: UnsafeMutableRawPointer) {
    let upper = high ^ (UInt64(ssrc) << 16 | index >> 32)
    let lower = UInt32(truncatingIfNeeded: low >> 32) ^ UInt32(truncatingIfNeeded: index)
    iv.storeBytes(of: upper.bigEndian, as: UInt64.self)
    iv.storeBytes(of: lower.bigEndian, toByteOffset: 8, as: UInt32.self)
  }

  /// Writes the 16-octet AES-CM counter block (RFC 3711 section 4.1.1): salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16.
  @inline(__always)
  func writeCounterBlock(ssrc: UInt32, index: UInt64, to iv: UnsafeMutableRawPointer) {
    iv.storeBytes(of: (high ^ UInt64(ssrc)).bigEndian, as: UInt64.self)
    iv.storeBytes(of: (low ^ index << 16).bigEndian, toByteOffset: 8, as: UInt64.self)
  }
}

/// The longest thing that is sealed or opened: what a UDP datagram can carry, and a length that every provider takes.
let largestProtectedPacket = 65_507

/// Whether two authentication tags are equal, in time that does not depend on where they differ.
@inline(__always)
func tagsAreEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, count: Int) -> Bool {
  var difference: UInt8 = 0
  for i in 0..<count {
    difference |= a.load(fromByteOffset: i, as: UInt8.self) ^ b.load(fromByteOffset: i, as: UInt8.self)
  }
  return difference == 0
}
