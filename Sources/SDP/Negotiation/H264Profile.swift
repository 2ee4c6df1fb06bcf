/// An H.264 `profile-level-id` (RFC 6184 section 8.1): profile_idc, constraint flags and level_idc, a byte each.
public struct H264ProfileLevel: Hashable, Sendable {
  public enum Profile: Hashable, Sendable {
    case constrainedBaseline, baseline, main, extended, constrainedHigh, high
    // More than 8 bits, or other than 4:2:0.
    case high10, high422, predictiveHigh444
  }

  public var profile: Profile
  /// Ten times the level, so that levels compare; level 1b, between 1 and 1.1, is 10.5 and therefore counted in halves:
  /// level 3.1 is 62.
  public var doubledLevel: Int

  /// nil if `text` is not six hex digits, or names no profile known here. Absent, it is constrained baseline, level
  /// 3.1, as in browsers.
  public init?(_ text: String?) {
    let text = text ?? "42e01f"
    // "+" and "-" would pass as signs.
    guard text.utf8.count == 6, let sign = text.utf8.first, sign >= 0x30, let value = UInt32(text, radix: 16) else {
      return nil
    }
    let flags = UInt8(truncatingIfNeeded: value >> 8)
    guard let profile = Self.profile(UInt8(truncatingIfNeeded: value >> 16), flags) else { return nil }
    let level = Int(value & 0xff)
    self.profile = profile
    doubledLevel = level == 11 && flags & 0x10 != 0 || level == 9 ? 21 : level * 2
  }

  /// RFC 6184 table 5: which combinations of profile_idc and constraint flags mean the same profile. Flags that it does
  /// not name with a profile change nothing (ITU-T H.264 section 7.4.2.1.1: decoders ignore those reserved).
  private static func profile(_ idc: UInt8, _ flags: UInt8) -> Profile? {
    switch idc {
    case 0x42: flags & 0x40 != 0 ? .constrainedBaseline : .baseline
    case 0x4d: flags & 0x80 != 0 ? .constrainedBaseline : .main
    case 0x58 where flags & 0xc0 == 0xc0: .constrainedBaseline
    case 0x58: flags & 0x80 != 0 ? .baseline : .extended
    case 0x64: flags & 0x0c == 0x0c ? .constrainedHigh : .high
    case 0x6e: .high10
    case 0x7a: .high422
    case 0xf4: .predictiveHigh444
    default: nil
    }
  }
}

extension H264ProfileLevel.Profile {
  /// 8 bits, 4:2:0: what cameras make and every decoder is for.
  var isCommon: Bool { rank <= 4 }

  /// From the least to the most that a decoder needs.
  var rank: Int {
    switch self {
    case .constrainedBaseline: 0
    case .baseline: 1
    case .main, .extended: 2
    case .constrainedHigh: 3
    case .high: 4
    case .high10: 5
    case .high422: 6
    case .predictiveHigh444: 7
    }
  }

  /// Whether a decoder of this profile decodes streams of `other`. Nobody's encoder for calls makes use of what baseline
  /// has beyond constrained baseline (slice groups, redundant slices).
  func includes(_ other: Self) -> Bool {
    if self == other || other == .constrainedBaseline || other == .baseline { return true }
    switch self {
    case .constrainedBaseline, .baseline, .main: return false
    case .extended: return other == .main
    // Constrained high lacks interlace and B frames, which main has.
    case .constrainedHigh: return false
    case .high, .high10, .high422, .predictiveHigh444: return other != .extended && other.rank < rank
    }
  }
}

/// The H.264 parameters that change what the payload is.
struct H264Parameters: Hashable {
  /// nil: not known here.
  let profile: H264ProfileLevel.Profile?
  let doubledLevel: Int
  let isProfileWritten: Bool
  /// RFC 6184 section 6.2: 0, 1 or 2. A receiver of 1 takes 0, too.
  let packetizationMode: Int

  init(_ given: FormatParameters) {
    let level = H264ProfileLevel(given["profile-level-id"])
    profile = level?.profile
    doubledLevel = level?.doubledLevel ?? 0
    isProfileWritten = given["profile-level-id"] != nil
    packetizationMode = given.integer("packetization-mode") ?? 0
  }

  /// Who takes single NAL units alone gets fragments as well: receivers go by what is in the packet. Interleaving (mode 2)
  /// is another matter, since it changes the order.
  func fit(_ sent: H264Parameters) -> CodecFit? {
    if (packetizationMode > 1) != (sent.packetizationMode > 1) { return nil }
    guard let mine = profile, let theirs = sent.profile else { return CodecFit(tier: .named) }
    let isSameMode = packetizationMode == sent.packetizationMode
    let distance = 4 * abs(mine.rank - theirs.rank) + (isSameMode ? 0 : 2) + (doubledLevel < sent.doubledLevel ? 1 : 0)
    if mine == theirs, isSameMode { return CodecFit(tier: .exact, distance: distance) }
    if mine.includes(theirs), packetizationMode >= sent.packetizationMode {
      return CodecFit(tier: .decodable, distance: distance)
    }
    if mine.includes(theirs) || mine.isCommon && theirs.isCommon { return CodecFit(tier: .related, distance: distance) }
    return isProfileWritten ? nil : CodecFit(tier: .named, distance: distance)
  }
}

extension NegotiatedCodec {
  /// The format parameters to write under this (the offered) payload type when `other` is what flows: where level
  /// asymmetry is not allowed by both, the lower level holds for both directions (RFC 6184 section 8.2.2). The profile
  /// stays the offered one, which a client's own check of our answer looks for.
  func answerParameters(for other: NegotiatedCodec) -> String? {
    guard encodingName == "h264", let fmtp else { return fmtp }
    let mine = FormatParameters(fmtp)
    let theirs = FormatParameters(other.fmtp)
    if mine["level-asymmetry-allowed"] == "1", theirs["level-asymmetry-allowed"] == "1" { return fmtp }
    guard let offered = mine["profile-level-id"], let flowing = theirs["profile-level-id"],
      let offeredLevel = H264ProfileLevel(offered), let flowingLevel = H264ProfileLevel(flowing),
      offeredLevel.profile == flowingLevel.profile, flowingLevel.doubledLevel < offeredLevel.doubledLevel
    else { return fmtp }
    let parts = fmtp.pieces(";").map { part in
      part.drop { $0 == " " }.lowercased().hasPrefix("profile-level-id=") ? "profile-level-id=\(flowing)" : String(part)
    }
    return parts.joined(separator: ";")
  }
}
