/// An `a=rid` line (RFC 8851).
public struct RIDDescription: Hashable, Sendable {
  public var id: String
  /// "send" or "recv".
  public var direction: String
  /// The payload types it is restricted to; empty: any of the m-line.
  public var payloadTypes: [UInt8]
  /// E.g. "max-width": "1280".
  public var restrictions: [String: String]

  init?(attribute: some StringProtocol) {
    let text = Substring(attribute)
    let words = text.utf8.split(separator: 0x20, maxSplits: 2).map { Substring($0) }
    guard words.count >= 2, words[0].isRID, words[1] == "send" || words[1] == "recv" else { return nil }
    id = String(words[0])
    direction = String(words[1])
    restrictions = [:]
    payloadTypes = []
    for part in (words.count == 3 ? words[2] : "").pieces(";") {
      let (name, value) = part.cut(at: "=") ?? (part, "")
      if name == "pt" {
        payloadTypes = value.pieces(",").compactMap { decimal($0) }
      } else {
        restrictions[String(name)] = String(value)
      }
    }
  }
}

/// One simulcast encoding on offer (RFC 8853).
public struct SimulcastEncoding: Hashable, Sendable {
  public var rid: String
  /// Offered, but not sent at first ("~").
  public var isPaused: Bool
  /// Other formats of the same encoding, any of which may be sent in its place ("a,b").
  public var alternatives: [Alternative]

  public struct Alternative: Hashable, Sendable {
    public var rid: String
    public var isPaused: Bool

    public init(rid: String, isPaused: Bool) {
      self.rid = rid
      self.isPaused = isPaused
    }
  }

  /// From one part between semicolons, e.g. "1,~4".
  init?(_ text: some StringProtocol) {
    let formats = text.pieces(",").compactMap { part -> Alternative? in
      let isPaused = part.hasPrefix("~")
      let rid = isPaused ? part.dropFirst() : part
      return rid.isRID ? Alternative(rid: String(rid), isPaused: isPaused) : nil
    }
    guard let first = formats.first else { return nil }
    rid = first.rid
    isPaused = first.isPaused
    alternatives = Array(formats.dropFirst())
  }
}

/// An `a=simulcast` line: what its writer sends and what it would receive.
public struct SimulcastDescription: Hashable, Sendable {
  public var send: [SimulcastEncoding] = []
  public var receive: [SimulcastEncoding] = []

  init?(attribute: some StringProtocol) {
    let words = attribute.words
    guard words.count == 2 || words.count == 4 else { return nil }
    for index in stride(from: 0, to: words.count, by: 2) {
      let encodings = words[index + 1].pieces(";").compactMap { SimulcastEncoding($0) }
      switch words[index] {
      case "send": send = encodings
      case "recv": receive = encodings
      default: return nil
      }
    }
  }
}

extension MediaDescription {
  public var rids: [RIDDescription] { attributes("rid").compactMap { RIDDescription(attribute: $0) } }

  public var simulcast: SimulcastDescription? { attribute("simulcast").flatMap { SimulcastDescription(attribute: $0) } }

  /// The encodings its writer would send: those of `a=simulcast` that an `a=rid … send` describes.
  var sentEncodings: [SimulcastEncoding] {
    let described = Set(rids.filter { $0.direction == "send" }.map(\.id))
    return simulcast?.send.filter { described.contains($0.rid) } ?? []
  }
}

extension StringProtocol {
  /// rid-id: letters, digits, "-" and "_" (RFC 8851 section 10), of a length that fits a header extension.
  fileprivate var isRID: Bool {
    (1...255).contains(utf8.count)
      && utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
        default: false
        }
      }
  }
}
