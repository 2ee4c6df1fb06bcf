/// A session description (RFC 8866): lines of the session, then media descriptions. Order and unknown attributes are
/// kept.
public struct SessionDescription: Hashable, Sendable, SDPSection {
  /// `v=`, `o=`, `s=`, `t=` and what else comes before the first m-line.
  public var lines: [SDPLine] { didSet { table = .none } }
  public var media: [MediaDescription]
  public private(set) var table = AttributeTable.none

  public init(lines: [SDPLine], media: [MediaDescription] = []) {
    self.lines = lines
    self.media = media
  }

  /// Looks up where the attributes are: done with reading lines.
  mutating func index() {
    table = AttributeTable(lines)
    for place in media.indices { media[place].index() }
  }

  /// The text, every line ended by CR LF.
  public func serialized() -> String {
    var text = ""
    text.append(lines)
    for section in media {
      text += "m=\(section.mediaLine)\r\n"
      text.append(section.lines)
    }
    return text
  }
}

extension String {
  mutating func append(_ lines: [SDPLine]) {
    for line in lines {
      append(line.field.rawValue)
      self += "="
      self += line.value
      self += "\r\n"
    }
  }
}

extension SessionDescription {
  /// The `o=` line (RFC 8866 section 5.2).
  public struct Origin: Hashable, Sendable {
    public var username: String
    public var sessionID: UInt64
    public var sessionVersion: UInt64
    /// Network type, address type and address, e.g. "IN IP4 127.0.0.1".
    public var address: String

    public init(username: String = "-", sessionID: UInt64, sessionVersion: UInt64, address: String = "IN IP4 127.0.0.1")
    {
      self.username = username
      self.sessionID = sessionID
      self.sessionVersion = sessionVersion
      self.address = address
    }

    init?(_ value: String) {
      let words = value.words
      guard words.count == 6, let id: UInt64 = decimal(words[1]), let version: UInt64 = decimal(words[2]) else {
        return nil
      }
      let address = words[3...].joined(separator: " ")
      self.init(username: String(words[0]), sessionID: id, sessionVersion: version, address: address)
    }

    var line: SDPLine { SDPLine(.origin, "\(username) \(sessionID) \(sessionVersion) \(address)") }
  }

  public var origin: Origin? { first(.origin).flatMap(Origin.init) }

  /// An `a=group` line (RFC 5888).
  public struct Group: Hashable, Sendable {
    public var semantics: String
    public var mids: [String]
  }

  public var groups: [Group] {
    attributes("group").compactMap { value in
      let words = value.words
      return words.first.map { Group(semantics: String($0), mids: words.dropFirst().map(String.init)) }
    }
  }

  /// The mids of the first BUNDLE group (RFC 9143); nil if there is none.
  public var bundle: [String]? { groups.first { $0.semantics.uppercased() == "BUNDLE" }?.mids }

  public var isICELite: Bool { hasAttribute("ice-lite") }

  /// Whether one-byte and two-byte header extensions may be mixed (RFC 8285 section 6), said for the whole session.
  public var allowsMixedExtensions: Bool { hasAttribute("extmap-allow-mixed") }

  public subscript(mid mid: String) -> MediaDescription? { media.first { $0.mid == mid } }
}

extension SessionDescription {
  /// The session part of what we say: ICE-lite, BUNDLE of `bundle`.
  static func ours(origin: Origin, bundle: [String], mixedExtensions: Bool) -> SessionDescription {
    var lines = [SDPLine(.version, "0"), origin.line, SDPLine(.sessionName, "-"), SDPLine(.timing, "0 0")]
    lines.append(.attribute("ice-lite"))
    if !bundle.isEmpty { lines.append(.attribute("group", (["BUNDLE"] + bundle).joined(separator: " "))) }
    if mixedExtensions { lines.append(.attribute("extmap-allow-mixed")) }
    return SessionDescription(lines: lines)
  }
}

extension SessionDescription.Origin {
  /// The origin of a session that begins: an id made from a string that is unique to it (FNV-1a, 62 bits).
  static func initial(_ seed: String) -> Self {
    let hash = seed.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return Self(sessionID: hash >> 2, sessionVersion: 1)
  }

  var next: Self {
    Self(username: username, sessionID: sessionID, sessionVersion: sessionVersion &+ 1, address: address)
  }
}
