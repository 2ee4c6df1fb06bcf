/// An `a=rtpmap` line (RFC 8866 section 6.6).
public struct RTPMap: Hashable, Sendable {
  public var payloadType: UInt8
  /// Encoding name, as written; compared without case.
  public var name: String
  /// Hz.
  public var clockRate: UInt32
  /// 1 if not given.
  public var channels: UInt8

  init(_ payloadType: UInt8, _ name: String, _ clockRate: UInt32, _ channels: UInt8 = 1) {
    self.payloadType = payloadType
    self.name = name
    self.clockRate = clockRate
    self.channels = channels
  }

  init?(attribute: some StringProtocol) {
    let words = attribute.words
    guard words.count == 2, let type: UInt8 = decimal(words[0]), type < 128 else { return nil }
    let parts = words[1].pieces("/", omitsEmpty: false)
    guard (2...3).contains(parts.count), parts[0].isToken, let rate: UInt32 = decimal(parts[1]), rate > 0 else {
      return nil
    }
    guard let channels: UInt8 = parts.count == 3 ? decimal(parts[2]) : 1, channels > 0 else { return nil }
    self.init(type, String(parts[0]), rate, channels)
  }

  /// The static payload types of RFC 3551 that browsers offer.
  static let assigned = [
    RTPMap(0, "PCMU", 8000), RTPMap(8, "PCMA", 8000), RTPMap(9, "G722", 8000), RTPMap(13, "CN", 8000),
  ]
}

/// Feedback messages, each once, at most 32.
private struct FeedbackMessages {
  private(set) var list: [String] = []

  mutating func add(_ message: String) {
    if list.count < 32, !list.contains(message) { list.append(message) }
  }
}

extension MediaDescription {
  /// Every payload type of the m-line that has a (first) rtpmap, written or static.
  public var rtpMaps: [UInt8: RTPMap] {
    let types = Set(payloadTypes)
    var maps: [UInt8: RTPMap] = [:]
    let written = attributes("rtpmap").compactMap { RTPMap(attribute: $0) }
    for map in written + RTPMap.assigned where types.contains(map.payloadType) && maps[map.payloadType] == nil {
      maps[map.payloadType] = map
    }
    return maps
  }

  /// The (first) format parameters by payload type. Those longer than any real ones are taken for absent.
  public var formatParameters: [UInt8: String] {
    var found: [UInt8: String] = [:]
    for value in attributes("fmtp") {
      guard let (format, text) = value.cut(at: " "), let type: UInt8 = decimal(format), found[type] == nil,
        text.utf8.count <= 2048
      else {
        continue
      }
      found[type] = String(text)
    }
    return found
  }

  /// RTCP feedback (RFC 4585 section 4.2), e.g. "nack pli", by payload type, at most 32 messages each. What was said
  /// of `*` holds for all.
  public var feedback: [UInt8: [String]] {
    var found: [UInt8: FeedbackMessages] = [:]
    var ofAll = FeedbackMessages()
    for value in attributes("rtcp-fb") {
      guard let (format, text) = value.cut(at: " ") else { continue }
      let message = text.words(first: 4).joined(separator: " ")
      if format == "*" {
        ofAll.add(message)
      } else if let type: UInt8 = decimal(format) {
        found[type, default: FeedbackMessages()].add(message)
      }
    }
    guard !ofAll.list.isEmpty else { return found.mapValues(\.list) }
    for type in payloadTypes {
      var messages = ofAll
      for message in found[type]?.list ?? [] { messages.add(message) }
      found[type] = messages
    }
    return found.mapValues(\.list)
  }

  /// The codecs of the m-line in its order, RTX (RFC 4588) folded into what it repairs; at most 48.
  public var codecs: [NegotiatedCodec] {
    let maps = rtpMaps
    let parameters = formatParameters
    let feedback = feedback
    var repairs: [UInt8: UInt8] = [:]
    for type in payloadTypes where maps[type]?.name.lowercased() == "rtx" {
      guard let apt: UInt8 = FormatParameters(parameters[type]).integer("apt"), repairs[apt] == nil else { continue }
      repairs[apt] = type
    }
    let codecs = payloadTypes.compactMap { type -> NegotiatedCodec? in
      guard let map = maps[type], map.name.lowercased() != "rtx" else { return nil }
      return NegotiatedCodec(
        payloadType: type, name: map.name, clockRate: map.clockRate, channels: map.channels, fmtp: parameters[type],
        feedback: feedback[type] ?? [], retransmissionPayloadType: repairs[type])
    }
    return Array(codecs.prefix(48))
  }
}
