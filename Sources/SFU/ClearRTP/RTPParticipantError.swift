/// Why a clear-RTP participant is not as it may be: which key, and what is wrong with it.
public struct RTPParticipantError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Reason: Hashable, Sendable {
    /// Never right.
    case invalid
    /// Something else has it already.
    case conflict
    /// Not on this server, or not now.
    case refused
  }

  public var key: RTPParticipantKey
  /// Which of several codecs; nil if the key is not one of a codec, or there is one codec.
  public var codec: Int?
  public var problem: String
  public var reason: Reason

  public init(_ key: RTPParticipantKey, codec: Int? = nil, _ problem: String, reason: Reason = .invalid) {
    self.key = key
    self.codec = codec
    self.problem = problem
    self.reason = reason
  }

  /// As the file and the command line name it.
  public var description: String { "\(codec.map { "codecs[\($0)]." } ?? "")\(key.rawValue): \(problem)" }
}

/// The keys of a clear-RTP participant, as the configuration file has them. JSON has them in camel case.
public enum RTPParticipantKey: String, Hashable, Sendable, CaseIterable {
  case room, name, direction, remote
  case remoteAudio = "remote-audio"
  case remoteVideo = "remote-video"
  case rtcp
  case localAddress = "local-address"
  case localPort = "local-port"
  case from
  case keyFrames = "key-frames"
  case maxPackets = "max-packets"
  case maxBytes = "max-bytes"
  case codecs
  // Of each codec.
  case codec
  case payloadType = "payload-type"
  case ssrc
  case clockRate = "clock-rate"
  case channels, fmtp, kind

  /// Those that may stand in each of `codecs`.
  public static let ofCodec: [RTPParticipantKey] = [.codec, .payloadType, .ssrc, .clockRate, .channels, .fmtp, .kind]

  /// Its name in JSON.
  public var json: String {
    let words = rawValue.split(separator: "-")
    return words.dropFirst().reduce(String(words.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
  }
}
