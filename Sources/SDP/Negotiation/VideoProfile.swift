/// The profile of VP9 (RFC 9628 section 6), AV1 (AV1 RTP section 7.2.1) or H.265 (RFC 7798 section 7.1), and the other
/// parameters that say what a decoder must be able to do. Levels are left out: they say how much of it.
struct VideoProfile: Hashable {
  private let profile: Int
  /// Those whose streams a decoder of this profile decodes, too.
  private let included: [Int]
  /// "1" is the high tier, whose decoders take the main one.
  private let tier: Int
  /// Of H.265, where both must agree.
  private let framing: String

  init(_ name: String, _ given: FormatParameters) {
    switch name {
    case "vp9":
      self.init(given, profile: "profile-id", default: 0, tier: nil, framing: "") { $0 == 3 ? [0, 1, 2] : [0] }
    case "av1":
      self.init(given, profile: "profile", default: 0, tier: "tier", framing: "") { Array(0..<min(max($0, 0), 3)) }
    default:
      let space = given["profile-space"] ?? "0"
      // Main, Main 10, Main Still Picture, and the range extensions.
      self.init(
        given, profile: "profile-id", default: 1, tier: "tier-flag", framing: "\(space) \(given["tx-mode"] ?? "SRST")"
      ) { profile in
        switch profile {
        case 1: [3]
        case 2: [1, 3]
        case 4: [1, 2, 3]
        default: []
        }
      }
    }
  }

  private init(
    _ given: FormatParameters, profile name: String, default usual: Int, tier: String?, framing: String,
    including: (Int) -> [Int]
  ) {
    profile = given[name] == nil ? usual : given.integer(name) ?? -1
    included = including(profile)
    self.tier = tier.flatMap { given.integer($0) } ?? 0
    self.framing = framing
  }

  func fit(_ sent: VideoProfile) -> CodecFit? {
    guard framing == sent.framing else { return nil }
    if profile == sent.profile, tier == sent.tier { return CodecFit(tier: .exact) }
    if profile == sent.profile || included.contains(sent.profile), tier >= sent.tier {
      return CodecFit(tier: .decodable, distance: included.count)
    }
    return profile == sent.profile ? CodecFit(tier: .related) : nil
  }
}
