/// An H.264 `profile-level-id` (RFC 6184 section 8.1): profile_idc, constraint flags and level_idc, a byte each.
public struct H264ProfileLevel: Hashable, Sendable {
  public enum Profile: Hashable, Sendable {
    case constrainedBaseline, baseline, main, extended, constrainedHigh, high, predictiveHigh444
  }

  public var profile: Profile
  /// Ten times the level, so that levels compare; level 1b, between 1 and 1.1, is 10.5 and therefore counted in halves:
  /// level 3.1 is 62.
  public var doubledLevel: Int

  /// nil if `text` is not six hex digits, or names no profile known here. Absent, it is constrained baseline, level
  /// 3.1, as in browsers.
  public init?(_ text: String?) {
    let text = text ?? "42e01f"
    guard text.utf8.count == 6, text.allSatisfy({ $0.isASCII && $0.isHexDigit }), let value = UInt32(text, radix: 16)
    else {
      return nil
    }
    let flags = UInt8(truncatingIfNeeded: value >> 8)
    guard let profile = Self.profile(UInt8(truncatingIfNeeded: value >> 16), flags) else { return nil }
    let level = Int(value & 0xff)
    self.profile = profile
    doubledLevel = level == 11 && flags & 0x10 != 0 || level == 9 ? 21 : level * 2
  }

  /// RFC 6184 table 5: which combinations of profile_idc and constraint flags mean the same profile.
  private static func profile(_ idc: UInt8, _ flags: UInt8) -> Profile? {
    switch idc {
    case 0x42 where flags & 0x4f == 0x40: .constrainedBaseline
    case 0x4d where flags & 0x8f == 0x80: .constrainedBaseline
    case 0x58 where flags & 0xcf == 0xc0: .constrainedBaseline
    case 0x42 where flags & 0x4f == 0x00: .baseline
    case 0x58 where flags & 0xcf == 0x80: .baseline
    case 0x4d where flags & 0xaf == 0x00: .main
    case 0x58 where flags & 0xcf == 0x00: .extended
    case 0x64 where flags == 0x0c: .constrainedHigh
    case 0x64 where flags == 0x00: .high
    case 0xf4 where flags == 0x00: .predictiveHigh444
    default: nil
    }
  }
}

extension NegotiatedCodec {
  /// The format parameters to write under this (the offered) payload type when `other` is what flows: where level
  /// asymmetry is not allowed by both, the lower level holds for both directions (RFC 6184 section 8.2.2).
  func answerParameters(for other: NegotiatedCodec) -> String? {
    guard name.lowercased() == "h264", let fmtp else { return fmtp }
    let mine = FormatParameters(fmtp)
    let theirs = FormatParameters(other.fmtp)
    if mine["level-asymmetry-allowed"] == "1", theirs["level-asymmetry-allowed"] == "1" { return fmtp }
    guard let offered = mine["profile-level-id"], let flowing = theirs["profile-level-id"],
      let offeredLevel = H264ProfileLevel(offered), let flowingLevel = H264ProfileLevel(flowing),
      flowingLevel.doubledLevel < offeredLevel.doubledLevel
    else { return fmtp }
    let parts = fmtp.pieces(";").map { part in
      part.drop { $0 == " " }.lowercased().hasPrefix("profile-level-id=") ? "profile-level-id=\(flowing)" : String(part)
    }
    return parts.joined(separator: ";")
  }
}
