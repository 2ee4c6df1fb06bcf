/// How loud an audio packet is, as its sender measured it before it was encoded (RFC 6464).
public struct AudioLevel: Hashable, Sendable {
  /// Below the loudest that can be, in decibels: 0 (that itself) to 127 (silence). The RFC's level, in −dBov.
  public let attenuation: UInt8

  /// `attenuation` above 127 is silence.
  public init(attenuation: UInt8) { self.attenuation = min(attenuation, 127) }

  /// From the data of a header-extension element, whose first octet is a flag and the level; nil if there is none.
  @inline(__always)
  public init?(_ element: UnsafeRawBufferPointer) {
    guard let octet = element.first else { return nil }
    attenuation = octet & 0x7f
  }

  /// 2^40 for the loudest, half of it for every 3 dB less: what means are taken of. To half a decibel down to −90 dBov.
  @inline(__always)
  public var power: UInt64 {
    let (halvings, rest) = attenuation.quotientAndRemainder(dividingBy: 3)
    let mantissa: UInt64 =
      switch rest {
      case 0: 1 << 40
      case 1: 873_373_130_350  // 2^40 × 10^-0.1
      default: 693_744_936_887  // 2^40 × 10^-0.2
      }
    return mantissa >> UInt64(halvings)
  }
}
