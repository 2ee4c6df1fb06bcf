/// A media description (RFC 8866 section 5.14): an m-line and the lines under it.
public struct MediaDescription: Hashable, Sendable, SDPSection {
  public enum Kind: Hashable, Sendable {
    case audio, video
    /// "application", "text", …: described, never served.
    case other(String)

    public init(rawValue: String) {
      switch rawValue {
      case "audio": self = .audio
      case "video": self = .video
      default: self = .other(rawValue)
      }
    }

    public var rawValue: String {
      switch self {
      case .audio: "audio"
      case .video: "video"
      case .other(let name): name
      }
    }
  }

  public var kind: Kind
  public var port: UInt16
  /// The number after the slash of `port/count`.
  public var portCount: UInt16?
  /// E.g. "UDP/TLS/RTP/SAVPF".
  public var protocolName: String
  /// Payload types, for RTP.
  public var formats: [String]
  public var lines: [SDPLine] { didSet { table = .none } }
  public private(set) var table = AttributeTable.none

  public init(kind: Kind, port: UInt16, protocolName: String, formats: [String], lines: [SDPLine] = []) {
    self.kind = kind
    self.port = port
    self.protocolName = protocolName
    self.formats = formats
    self.lines = lines
  }

  /// Looks up where its attributes are: done with reading lines.
  mutating func index() { table = AttributeTable(lines) }

  /// From what follows `m=`; nil if it is malformed.
  init?(mediaLine: String) {
    let words = mediaLine.words
    guard words.count >= 4, words[0].isToken else { return nil }
    let (portText, countText) = words[1].cut(at: "/").map { ($0.before, Optional($0.after)) } ?? (words[1], nil)
    guard let port: UInt16 = decimal(portText) else { return nil }
    self.init(
      kind: Kind(rawValue: String(words[0])), port: port, protocolName: String(words[2]),
      formats: words[3...].map(String.init))
    if let countText {
      guard let count: UInt16 = decimal(countText) else { return nil }
      portCount = count
    }
  }

  /// What follows `m=`.
  public var mediaLine: String {
    let ports = portCount.map { "\(port)/\($0)" } ?? "\(port)"
    return ([kind.rawValue, ports, protocolName] + formats).joined(separator: " ")
  }
}

extension MediaDescription {
  /// The identification tag (RFC 5888).
  public var mid: String? { attribute("mid").flatMap { $0.isToken ? String($0) : nil } }

  /// Port 0 means refused or stopped, but for `a=bundle-only` (RFC 9143 section 6).
  public var isDisabled: Bool { port == 0 && !hasAttribute("bundle-only") }

  public var hasRTCPMux: Bool { hasAttribute("rtcp-mux") || hasAttribute("rtcp-mux-only") }

  public var hasReducedSizeRTCP: Bool { hasAttribute("rtcp-rsize") }

  public var allowsMixedExtensions: Bool { hasAttribute("extmap-allow-mixed") }

  /// The RTP payload types that do not collide with RTCP on the same port (RFC 5761 section 4), in order.
  public var payloadTypes: [UInt8] {
    var seen: UInt128 = 0
    return formats.compactMap { format in
      guard let type: UInt8 = decimal(format), type < 64 || (96...127).contains(type), seen >> type & 1 == 0 else {
        return nil
      }
      seen |= 1 << type
      return type
    }
  }

  /// The direction said here, else for the session, else sendrecv (RFC 8866 section 6.7).
  public func direction(in session: SessionDescription) -> MediaDirection {
    MediaDirection(in: self) ?? MediaDirection(in: session) ?? .sendrecv
  }
}

/// Who sends, seen by whoever wrote the description.
public enum MediaDirection: String, Hashable, Sendable, CaseIterable {
  case sendrecv, sendonly, recvonly, inactive

  init?(in section: some SDPSection) {
    guard let found = Self.allCases.first(where: { section.hasAttribute($0.rawValue) }) else { return nil }
    self = found
  }

  public init(sends: Bool, receives: Bool) {
    self = sends ? (receives ? .sendrecv : .sendonly) : (receives ? .recvonly : .inactive)
  }

  public var sends: Bool { self == .sendrecv || self == .sendonly }
  public var receives: Bool { self == .sendrecv || self == .recvonly }

  /// The same, seen from the other side.
  public var reversed: MediaDirection { MediaDirection(sends: receives, receives: sends) }
}
