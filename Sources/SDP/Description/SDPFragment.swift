/// A trickle ICE fragment (RFC 8840 section 9, `application/trickle-ice-sdpfrag`): credentials and candidates of one
/// bundled transport. In WHIP and WHEP (RFC 9725 section 4.3) a fragment with new credentials is an ICE restart.
public struct SDPFragment: Hashable, Sendable {
  /// Attributes before the first m-line.
  public var session: [SDPLine]
  /// The pseudo m-lines, each with its mid, credentials and candidates.
  public var media: [MediaDescription]

  /// Reads a fragment: attribute lines and m-lines (RFC 8840); others are passed by.
  public static func parse(_ text: String, limits: SDPLimits = .standard) throws(SDPError) -> SDPFragment {
    var fragment = SDPFragment(session: [], media: [])
    try forEachLine(of: text, limits: limits) { (number, bytes) throws(SDPError) in
      guard let letter = bytes.first, bytes.dropFirst().first == UInt8(ascii: "=") else { return }
      let value = String(decoding: bytes.dropFirst(2), as: UTF8.self).withoutTrailingBlanks
      try fragment.add(Character(Unicode.Scalar(letter)), value, number, limits)
    }
    guard !fragment.session.isEmpty || !fragment.media.isEmpty else { throw .missingField("a=") }
    return fragment
  }

  private mutating func add(
    _ letter: Character, _ value: String, _ number: Int, _ limits: SDPLimits
  ) throws(SDPError) {
    switch letter {
    case "a" where (value.cut(at: ":")?.before ?? value[...]).isToken:
      let line = SDPLine(.attribute, value)
      if value.hasPrefix("candidate:"), ICECandidate(value) == nil {
        throw .badField(line: number, field: "a=candidate", expected: "the form of RFC 8839 section 5.1")
      }
      try checkCredential(value, number)
      if media.isEmpty { session.append(line) } else { media[media.count - 1].lines.append(line) }
    case "m":
      guard media.count < limits.media else { throw .tooManyMedia(line: number, limit: limits.media) }
      guard let section = MediaDescription(mediaLine: value) else {
        throw .badField(line: number, field: "m=", expected: "<media> <port 0-65535> <protocol> <format> …")
      }
      media.append(section)
    default: break
    }
  }

  /// Credentials are what a fragment is for: bad ones are not passed over like unknown attributes.
  private func checkCredential(_ value: String, _ number: Int) throws(SDPError) {
    let section = SessionDescription(lines: [SDPLine(.attribute, value)])
    if section.hasAttribute("ice-ufrag"), section.iceUfrag == nil {
      throw .badField(line: number, field: "a=ice-ufrag", expected: "4 to 256 characters (RFC 8839 section 5.4)")
    }
    if section.hasAttribute("ice-pwd"), section.icePwd == nil {
      throw .badField(line: number, field: "a=ice-pwd", expected: "22 to 256 characters (RFC 8839 section 5.4)")
    }
  }

  public func serialized() -> String {
    var text = ""
    text.append(session)
    for section in media {
      text += "m=\(section.mediaLine)\r\n"
      text.append(section.lines)
    }
    return text
  }

  private var head: SessionDescription { SessionDescription(lines: session) }

  public var iceUfrag: String? { media.lazy.compactMap(\.iceUfrag).first ?? head.iceUfrag }
  public var icePwd: String? { media.lazy.compactMap(\.icePwd).first ?? head.icePwd }
  public var candidates: [ICECandidate] { head.candidates + media.flatMap(\.candidates) }
  public var mids: [String] { media.compactMap(\.mid) }

  /// Whether it brings other credentials than `remote` has, be it only one of them.
  public func restartsICE(of remote: RemoteTransportDescription) -> Bool {
    iceUfrag ?? remote.iceUfrag != remote.iceUfrag || icePwd ?? remote.icePwd != remote.icePwd
  }
}

extension SDPFragment {
  /// Our side of an ICE restart of `negotiated`: new credentials and candidates under the first m-line of the bundle.
  public init(local: LocalTransportDescription, answering negotiated: NegotiatedSession) {
    let answer = negotiated.answer
    session = [.attribute("ice-lite"), .attribute("ice-options", "trickle")]
    media = []
    if let bundle = answer.bundle { session.append(.attribute("group", (["BUNDLE"] + bundle).joined(separator: " "))) }
    guard
      let first = answer.media.first(where: { $0.hasAttribute("ice-ufrag") && $0.hasAttribute("candidate") })
        ?? answer.media.first(where: { $0.hasAttribute("ice-ufrag") })
    else { return }
    var section = MediaDescription(
      kind: first.kind, port: 9, protocolName: first.protocolName, formats: Array(first.formats.prefix(1)))
    if let mid = first.mid { section.lines.append(.attribute("mid", mid)) }
    section.lines += [.attribute("ice-ufrag", local.iceUfrag), .attribute("ice-pwd", local.icePwd)]
    section.lines += local.candidateLines
    media = [section]
  }
}
