/// A codec under a payload type, with what belongs to it.
public struct NegotiatedCodec: Hashable, Sendable {
  public var payloadType: UInt8
  /// Encoding name: "opus", "VP8", "red", …; compare without case.
  public var name: String
  /// Hz.
  public var clockRate: UInt32
  public var channels: UInt8
  /// Format parameters, as written.
  public var fmtp: String?
  /// RTCP feedback messages, e.g. "nack pli".
  public var feedback: [String]
  /// The payload type of its retransmissions (RFC 4588).
  public var retransmissionPayloadType: UInt8?

  public init(
    payloadType: UInt8, name: String, clockRate: UInt32, channels: UInt8 = 1, fmtp: String? = nil,
    feedback: [String] = [], retransmissionPayloadType: UInt8? = nil
  ) {
    self.payloadType = payloadType
    self.name = name
    self.clockRate = clockRate
    self.channels = channels
    self.fmtp = fmtp
    self.feedback = feedback
    self.retransmissionPayloadType = retransmissionPayloadType
  }

  public func hasFeedback(_ message: String) -> Bool { feedback.contains(message) }

  var isRED: Bool { name.lowercased() == "red" }

  /// The part of `a=rtpmap` after the payload type.
  var encoding: String {
    channels > 1 ? "\(name)/\(clockRate)/\(channels)" : "\(name)/\(clockRate)"
  }
}

/// What two codecs have in common if a packet of one can be decoded as the other: the encoding, and those parameters
/// that change what the payload is.
struct CodecIdentity: Hashable {
  private let name: String
  private let clockRate: UInt32
  private let channels: UInt8
  private let profile: String

  /// nil for an H.264 profile that nobody knows, which matches nothing.
  init?(_ codec: NegotiatedCodec) {
    name = codec.name.lowercased()
    clockRate = codec.clockRate
    channels = codec.channels
    guard let profile = Self.profile(name, codec.fmtp) else { return nil }
    self.profile = profile
  }

  private static func profile(_ name: String, _ fmtp: String?) -> String? {
    func values(_ parameters: [(name: String, default: String)]) -> String {
      let given = FormatParameters(fmtp)
      return parameters.map { given[$0.name] ?? $0.default }.joined(separator: " ")
    }
    switch name {
    case "h264":
      let given = FormatParameters(fmtp)
      guard let level = H264ProfileLevel(given["profile-level-id"]) else { return nil }
      return "\(level.profile) \(given["packetization-mode"] ?? "0")"
    case "vp9": return values([("profile-id", "0")])
    case "av1": return values([("profile", "0"), ("tier", "0")])
    case "h265":
      return values([("profile-space", "0"), ("profile-id", "1"), ("tier-flag", "0"), ("tx-mode", "SRST")])
    default: return ""
    }
  }
}

extension NegotiatedCodec {
  var identity: CodecIdentity? { CodecIdentity(self) }

  /// Whether a packet of one can be decoded as the other. Payload types may differ.
  public func matches(_ other: NegotiatedCodec) -> Bool {
    guard let identity else { return false }
    return identity == other.identity
  }
}

/// Payload types of `source` mapped to those under which `sink` takes the same codec, retransmissions included. What
/// the sink does not take is absent.
public func payloadTypeMap(from source: [NegotiatedCodec], to sink: [NegotiatedCodec]) -> [UInt8: UInt8] {
  var targets: [CodecIdentity: NegotiatedCodec] = [:]
  for codec in sink { if let identity = codec.identity, targets[identity] == nil { targets[identity] = codec } }
  var map: [UInt8: UInt8] = [:]
  for codec in source {
    guard let target = codec.identity.flatMap({ targets[$0] }), map[codec.payloadType] == nil else { continue }
    map[codec.payloadType] = target.payloadType
    if let from = codec.retransmissionPayloadType, let to = target.retransmissionPayloadType, map[from] == nil {
      map[from] = to
    }
  }
  return map
}
