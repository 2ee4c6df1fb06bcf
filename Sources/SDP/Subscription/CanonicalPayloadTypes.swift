/// One table of payload types for all that is offered in a subscribe session. Publishers number their codecs as they
/// like; in a bundle a payload type must mean the same codec in every m-line (RFC 9143 section 9.1), and should go on
/// meaning it.
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
      guard let fmtp = Self.parameters(of: codec, numbers) else { continue }
      codec.fmtp = fmtp.isEmpty ? nil : fmtp
      let wantsRepair = hasRetransmissions && codec.retransmissionPayloadType != nil
      guard let entry = entry(for: codec, withRetransmission: wantsRepair) else { continue }
      numbers[codec.payloadType] = entry.payloadType
      guard !result.values.contains(where: { $0.payloadType == entry.payloadType }) else { continue }
      codec.payloadType = entry.payloadType
      codec.retransmissionPayloadType = wantsRepair ? entry.retransmission : nil
      codec.feedback = []
      result[index] = codec
    }
    let offered = codecs.indices.compactMap { result[$0] }
    return offered.allSatisfy(\.isRED) ? [] : offered
  }

  private mutating func entry(for codec: NegotiatedCodec, withRetransmission: Bool) -> Entry? {
    let key = Key(encoding: codec.encoding.lowercased(), fmtp: codec.fmtp)
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

  /// The parameters that say what the stream is, in one order; "" for none; nil if the codec cannot be offered. What a
  /// publisher said of its own receiver (max-fs, stereo, …) says nothing about what it sends.
  private static func parameters(of codec: NegotiatedCodec, _ numbers: [UInt8: UInt8]) -> String? {
    let given = FormatParameters(codec.fmtp)
    func list(_ names: [(String, String?)]) -> String {
      names.compactMap { name, fallback in (given[name] ?? fallback).map { "\(name)=\(printable($0))" } }.joined(
        separator: ";")
    }
    switch codec.name.lowercased() {
    case "red": return redundancy(codec, numbers)
    case "opus": return list([("minptime", nil), ("sprop-stereo", nil), ("useinbandfec", nil)].map(opusDefault))
    case "vp9": return list([("profile-id", "0")])
    case "av1": return list([("level-idx", "5"), ("profile", "0"), ("tier", "0")])
    case "h264":
      let text = list([
        ("level-asymmetry-allowed", "1"), ("packetization-mode", "0"), ("profile-level-id", "42e01f"),
      ])
      return given["sprop-parameter-sets"].map { "\(text.lowercased());sprop-parameter-sets=\(printable($0))" }
        ?? text.lowercased()
    case "h265":
      return list([
        ("level-id", nil), ("profile-id", nil), ("profile-space", nil), ("tier-flag", nil), ("tx-mode", nil),
        ("sprop-vps", nil), ("sprop-sps", nil), ("sprop-pps", nil),
      ])
    default: return ""
    }
  }

  private static func opusDefault(_ parameter: (String, String?)) -> (String, String?) {
    switch parameter.0 {
    case "minptime": (parameter.0, "10")
    case "useinbandfec": (parameter.0, "1")
    default: parameter
    }
  }

  /// RED's parameters list the payload types of its blocks (RFC 2198 section 5), here translated.
  private static func redundancy(_ codec: NegotiatedCodec, _ numbers: [UInt8: UInt8]) -> String? {
    let blocks = (codec.fmtp ?? "").pieces("/")
    let translated = blocks.compactMap { decimal($0).flatMap { numbers[$0] } }
    guard (1...32).contains(blocks.count), translated.count == blocks.count else { return nil }
    return translated.map { "\($0)" }.joined(separator: "/")
  }
}
