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
}

extension NegotiatedCodec {
  var encodingName: String { name.lowercased() }

  var isRED: Bool { encodingName == "red" }

  /// Whether packets of it carry the media itself: not redundancy (RFC 2198), error correction, key presses (RFC 4733) or
  /// comfort noise (RFC 3389), which go beside a codec that does.
  public var carriesMedia: Bool {
    !["red", "ulpfec", "flexfec", "flexfec-03", "telephone-event", "cn"].contains(encodingName)
  }

  /// The part of `a=rtpmap` after the payload type.
  var encoding: String {
    channels > 1 ? "\(name)/\(clockRate)/\(channels)" : "\(name)/\(clockRate)"
  }
}

/// Payload types of `source` mapped to those under which `sink` takes them: each codec as the one that fits it best,
/// retransmissions included. What the sink cannot decode is absent.
public func payloadTypeMap(from source: [NegotiatedCodec], to sink: [NegotiatedCodec]) -> [UInt8: UInt8] {
  let receiver = CodecChoice(sink)
  var map: [UInt8: UInt8] = [:]
  for codec in source where map[codec.payloadType] == nil {
    guard let target = receiver.closest(to: codec) else { continue }
    map[codec.payloadType] = target.payloadType
    if let from = codec.retransmissionPayloadType, let to = target.retransmissionPayloadType, map[from] == nil {
      map[from] = to
    }
  }
  return map
}
