/// One table of payload types for all that is offered in a subscribe session. Publishers number their codecs as they
/// like; in a bundle a payload type must mean the same codec in every m-line (RFC 9143 section 9.1), and should go on
/// meaning it. What is written of a codec follows from its identity alone, so that no publisher can use the numbers up by
/// saying the same in many ways; only parameter sets (`sprop-…`) add entries, while there are numbers for them.
struct CanonicalPayloadTypes: Hashable, Sendable {
  /// What makes two codecs the same entry.
  private struct Key: Hashable {
    let encoding: String
    let fmtp: String?
  }

  private struct Entry: Hashable {
    let payloadType: UInt8
    var retransmission: UInt8?
  }

  private var entries: [Key: Entry] = [:]
  private var used: Set<UInt8> = []

  /// Numbers that browsers use themselves, so that dumps look familiar: the codec's, then its RTX's.
  private static let preferred: [Key: (UInt8, UInt8?)] = [
    Key(encoding: "opus/48000/2", fmtp: "minptime=10;useinbandfec=1"): (111, nil),
    Key(encoding: "red/48000/2", fmtp: "111/111"): (63, nil),
    // Static ones (RFC 3551 section 6).
    Key(encoding: "pcmu/8000", fmtp: nil): (0, nil),
    Key(encoding: "pcma/8000", fmtp: nil): (8, nil),
    Key(encoding: "g722/8000", fmtp: nil): (9, nil),
    Key(encoding: "cn/8000", fmtp: nil): (13, nil),
    Key(encoding: "telephone-event/48000", fmtp: nil): (110, nil),
    Key(encoding: "telephone-event/8000", fmtp: nil): (126, nil),
    Key(encoding: "vp8/90000", fmtp: nil): (96, 97),
    Key(encoding: "vp9/90000", fmtp: "profile-id=0"): (98, 99),
    Key(encoding: "vp9/90000", fmtp: "profile-id=2"): (100, 101),
    Key(encoding: "av1/90000", fmtp: "level-idx=5;profile=0;tier=0"): (45, 46),
    Key(encoding: "h264/90000", fmtp: h264(1, "42001f")): (102, 103),
    Key(encoding: "h264/90000", fmtp: h264(0, "42001f")): (104, 107),
    Key(encoding: "h264/90000", fmtp: h264(1, "42e01f")): (108, 109),
    Key(encoding: "h264/90000", fmtp: h264(0, "42e01f")): (114, 115),
    Key(encoding: "h264/90000", fmtp: h264(1, "4d001f")): (116, 117),
    Key(encoding: "h264/90000", fmtp: h264(0, "4d001f")): (39, 40),
    Key(encoding: "h264/90000", fmtp: h264(1, "640c1f")): (112, 113),
    Key(encoding: "h264/90000", fmtp: h264(1, "64001f")): (118, 119),
    Key(encoding: "h265/90000", fmtp: "level-id=93;profile-id=1;profile-space=0;tier-flag=0;tx-mode=SRST"): (49, 50),
  ]

  /// What is left: dynamic payload types (RFC 3551 section 6), then unassigned ones, without 64 to 95 (RFC 5761).
  private static let free: [UInt8] = {
    let taken = Set(preferred.values.flatMap { [$0.0] + ($0.1.map { [$0] } ?? []) })
    return (Array(112...127) + Array(96...111) + Array(35...63)).filter { !taken.contains($0) }
  }()

  private static func h264(_ mode: Int, _ profile: String) -> String {
    "level-asymmetry-allowed=1;packetization-mode=\(mode);profile-level-id=\(profile)"
  }

  /// A publisher's codecs as they are offered, each once. A codec for which no number is left is not offered.
  /// They come back without feedback.
  mutating func canonical(_ codecs: [NegotiatedCodec], hasRetransmissions: Bool) -> [NegotiatedCodec] {
    var numbers: [UInt8: UInt8] = [:]
    var result: [Int: NegotiatedCodec] = [:]
    // RED names the numbers of what it carries, so they come first.
    let order = codecs.indices.filter { !codecs[$0].isRED } + codecs.indices.filter { codecs[$0].isRED }
    for index in order {
      var codec = codecs[index]
      codec.channels = CodecIdentity(codec).encoding.channels
      let wantsRepair = hasRetransmissions && codec.retransmissionPayloadType != nil
      guard let parameters = Self.parameters(of: codec, numbers),
        let (fmtp, entry) = entry(for: codec, parameters, withRetransmission: wantsRepair)
      else { continue }
      numbers[codec.payloadType] = entry.payloadType
      guard !result.values.contains(where: { $0.payloadType == entry.payloadType }) else { continue }
      codec.fmtp = fmtp
      codec.payloadType = entry.payloadType
      codec.retransmissionPayloadType = wantsRepair ? entry.retransmission : nil
      codec.feedback = []
      result[index] = codec
    }
    let offered = codecs.indices.compactMap { result[$0] }
    return offered.contains(where: \.carriesMedia) ? offered : []
  }

  /// With the stream's own parameter sets if there is a number for that, else without. Returns what is to be written, too.
  private mutating func entry(
    for codec: NegotiatedCodec, _ parameters: [String], withRetransmission: Bool
  ) -> (fmtp: String?, Entry)? {
    for parameters in [parameters + Self.parameterSets(of: codec), parameters] {
      let fmtp = parameters.isEmpty ? nil : parameters.joined(separator: ";")
      let key = Key(encoding: codec.encoding.lowercased(), fmtp: fmtp)
      if let entry = entry(for: key, withRetransmission: withRetransmission) { return (fmtp, entry) }
    }
    return nil
  }

  private mutating func entry(for key: Key, withRetransmission: Bool) -> Entry? {
    let preferred = Self.preferred[key]
    var entry = entries[key]
    if entry == nil { entry = take(preferred?.0).map { Entry(payloadType: $0) } }
    if withRetransmission, entry != nil, entry?.retransmission == nil { entry?.retransmission = take(preferred?.1) }
    entries[key] = entry
    return entry
  }

  private mutating func take(_ preferred: UInt8?) -> UInt8? {
    let number = preferred ?? Self.free.first { !used.contains($0) }
    if let number { used.insert(number) }
    return number
  }

  /// The parameters that tell a codec from others of its name; nil if it cannot be offered. What a publisher said of its
  /// own receiver (max-fs, stereo, …) says nothing about what it sends, and levels are 3.1, as browsers write them whatever
  /// they send: decoders go by what is in the stream.
  private static func parameters(of codec: NegotiatedCodec, _ numbers: [UInt8: UInt8]) -> [String]? {
    let given = FormatParameters(codec.fmtp)
    func list(_ names: KeyValuePairs<String, String>) -> [String] {
      names.map { name, fallback in "\(name)=\(printable(given[name] ?? fallback))" }
    }
    switch codec.name.lowercased() {
    case "red": return redundancy(codec, numbers).map { [$0] }
    case "opus": return ["minptime=10", "useinbandfec=1"]
    case "vp9": return list(["profile-id": "0"])
    case "av1": return ["level-idx=5"] + list(["profile": "0", "tier": "0"])
    case "h264":
      let profile = H264ProfileLevel(given["profile-level-id"])?.profile ?? .constrainedBaseline
      return ["level-asymmetry-allowed=1"] + list(["packetization-mode": "0"])
        + ["profile-level-id=\(profile.hexadecimal)1f"]
    case "h265":
      return ["level-id=93"]
        + list(["profile-id": "1", "profile-space": "0", "tier-flag": "0", "tx-mode": "SRST"])
    default: return []
    }
  }

  /// What a publisher says of this one stream.
  private static func parameterSets(of codec: NegotiatedCodec) -> [String] {
    let given = FormatParameters(codec.fmtp)
    let names =
      switch codec.name.lowercased() {
      case "opus": ["sprop-stereo"]
      case "h264": ["sprop-parameter-sets"]
      case "h265": ["sprop-vps", "sprop-sps", "sprop-pps"]
      default: [String]()
      }
    return names.compactMap { name in given[name].map { "\(name)=\(printable($0))" } }
  }

  /// RED's parameters list the payload types of its blocks (RFC 2198 section 5), here translated.
  private static func redundancy(_ codec: NegotiatedCodec, _ numbers: [UInt8: UInt8]) -> String? {
    let blocks = (codec.fmtp ?? "").pieces("/")
    let translated = blocks.compactMap { decimal($0).flatMap { numbers[$0] } }
    guard (1...32).contains(blocks.count), translated.count == blocks.count else { return nil }
    return translated.map { "\($0)" }.joined(separator: "/")
  }
}

extension H264ProfileLevel.Profile {
  /// profile_idc and constraint flags, as browsers write them.
  fileprivate var hexadecimal: String {
    switch self {
    case .constrainedBaseline: "42e0"
    case .baseline: "4200"
    case .main: "4d00"
    case .extended: "5800"
    case .constrainedHigh: "640c"
    case .high: "6400"
    case .high10: "6e00"
    case .high422: "7a00"
    case .predictiveHigh444: "f400"
    }
  }
}
