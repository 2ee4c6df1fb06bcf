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
    let words = attribute.words(first: 3)
    guard words.count == 2, let type: UInt8 = decimal(words[0]), type < 128 else { return nil }
    guard let (name, rest) = words[1].cut(at: "/"), name.isToken else { return nil }
    let (rate, parameter) = rest.cut(at: "/") ?? (rest, "1")
    guard let rate: UInt32 = decimal(rate), rate > 0, let channels: UInt8 = decimal(parameter), channels > 0 else {
      return nil
    }
    self.init(type, String(name), rate, channels)
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
  public var rtpMaps: [UInt8: RTPMap] { rtpMaps(among: PayloadTypes(payloadTypes)) }

  fileprivate func rtpMaps(among types: PayloadTypes) -> [UInt8: RTPMap] {
    var maps: [UInt8: RTPMap] = [:]
    for value in attributes("rtpmap") {
      guard let type: UInt8 = leadingNumber(value), types.contains(type), maps[type] == nil else { continue }
      maps[type] = RTPMap(attribute: value)
    }
    for map in RTPMap.assigned where types.contains(map.payloadType) && maps[map.payloadType] == nil {
      maps[map.payloadType] = map
    }
    return maps
  }

  /// The (first) format parameters by payload type. Those longer than any real ones are taken for absent.
  public var formatParameters: [UInt8: String] { formatParameters(among: .all) }

  fileprivate func formatParameters(among types: PayloadTypes) -> [UInt8: String] {
    var found: [UInt8: String] = [:]
    for value in attributes("fmtp") {
      guard let (format, text) = value.cut(at: " "), let type: UInt8 = decimal(format), types.contains(type),
        found[type] == nil, text.utf8.count <= 2048
      else {
        continue
      }
      found[type] = String(text)
    }
    return found
  }

  /// RTCP feedback (RFC 4585 section 4.2), e.g. "nack pli", by payload type, at most 32 messages each. What was said
  /// of `*` holds for all.
  public var feedback: [UInt8: [String]] { feedback(among: .all) }

  fileprivate func feedback(among types: PayloadTypes) -> [UInt8: [String]] {
    var found: [UInt8: FeedbackMessages] = [:]
    var ofAll = FeedbackMessages()
    for value in attributes("rtcp-fb") {
      guard let (format, text) = value.cut(at: " ") else { continue }
      if format == "*" {
        ofAll.add(Self.message(text))
      } else if let type: UInt8 = decimal(format), types.contains(type) {
        found[type, default: FeedbackMessages()].add(Self.message(text))
      }
    }
    guard !ofAll.list.isEmpty else { return found.mapValues(\.list) }
    for type in payloadTypes where types.contains(type) {
      var messages = ofAll
      for message in found[type]?.list ?? [] { messages.add(message) }
      found[type] = messages
    }
    return found.mapValues(\.list)
  }

  /// The first four words. Hardly any message has more, or spaces that are not single.
  private static func message(_ text: Substring) -> String {
    var (spaces, isPlain, isAfterSpace) = (0, true, true)
    for byte in text.utf8 {
      let isSpace = byte == 0x20
      if isSpace { spaces += 1 }
      if isSpace && isAfterSpace { isPlain = false }
      isAfterSpace = isSpace
    }
    if isPlain, !isAfterSpace, spaces < 4 { return String(text) }
    return text.words(first: 4).joined(separator: " ")
  }

  /// The codecs of the m-line in its order, RTX (RFC 4588) folded into what it repairs; at most 48.
  public var codecs: [NegotiatedCodec] {
    var bundle = BundleCodecs()
    return bundle.codecs(of: self)
  }
}

/// The codecs of m-lines that share a transport. A payload type means the same in all of them (RFC 9143 section 9.1), so that
/// the first m-line that lists it is read for it, and none of the hundreds that say it again.
struct BundleCodecs {
  private struct Format {
    var map: RTPMap?
    var parameters: String?
    var feedback: [String] = []
    /// Of RTX, what it repairs.
    var repaired: UInt8?

    var isRetransmission: Bool { map?.name.lowercased() == "rtx" }
  }

  private var formats: [UInt8: Format] = [:]

  /// As `MediaDescription.codecs`.
  mutating func codecs(of section: MediaDescription) -> [NegotiatedCodec] {
    let types = section.payloadTypes
    read(types.filter { formats[$0] == nil }, in: section)
    var retransmissions: [UInt8: UInt8] = [:]
    var codecs: [NegotiatedCodec] = []
    for type in types {
      guard let repaired = formats[type]?.repaired, retransmissions[repaired] == nil else { continue }
      retransmissions[repaired] = type
    }
    for type in types where codecs.count < 48 {
      guard let format = formats[type], let map = format.map, !format.isRetransmission else { continue }
      codecs.append(
        NegotiatedCodec(
          payloadType: type, name: map.name, clockRate: map.clockRate, channels: map.channels,
          fmtp: format.parameters, feedback: format.feedback, retransmissionPayloadType: retransmissions[type]))
    }
    return codecs
  }

  private mutating func read(_ types: [UInt8], in section: MediaDescription) {
    guard !types.isEmpty else { return }
    let wanted = PayloadTypes(types)
    let maps = section.rtpMaps(among: wanted)
    let parameters = section.formatParameters(among: wanted)
    let feedback = section.feedback(among: wanted)
    for type in types {
      var format = Format(map: maps[type], parameters: parameters[type], feedback: feedback[type] ?? [])
      if format.isRetransmission { format.repaired = FormatParameters(format.parameters).integer("apt") }
      formats[type] = format
    }
  }
}

/// A set of payload types.
private struct PayloadTypes {
  private var bits: UInt128 = 0

  static let all = PayloadTypes(bits: .max)

  private init(bits: UInt128) { self.bits = bits }

  init(_ types: [UInt8]) {
    for type in types where type < 128 { bits |= 1 << type }
  }

  func contains(_ type: UInt8) -> Bool { type < 128 && bits >> type & 1 == 1 }
}

/// The number before the first space.
private func leadingNumber(_ text: Substring) -> UInt8? { text.words(first: 1).first.flatMap { decimal($0) } }
