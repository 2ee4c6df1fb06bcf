import Wire

/// Writes the m-lines of what we say, line by line as browsers do.
struct MediaWriter {
  let local: LocalTransportDescription
  let setup: SetupRole

  /// What differs between one m-line and another.
  struct Content {
    /// Empty: the offer gave none.
    var mid: String
    var kind: MediaDescription.Kind
    var protocolName = "UDP/TLS/RTP/SAVPF"
    var direction: MediaDirection
    /// With the payload types and parameters to write.
    var codecs: [NegotiatedCodec]
    var extensions: [ExtensionMap]
    /// Payload types in the order to write; empty: each codec, then its retransmissions.
    var formats: [UInt8] = []
    var isReducedSize = true
    var allowsMixedExtensions = false
    /// What we send on it.
    var track: OfferedTrack?
  }

  /// `hasCandidates`: the m-line stands for the bundle.
  func section(_ content: Content, hasCandidates: Bool) -> MediaDescription {
    let defaultAddress = hasCandidates ? local.candidates.first : nil
    var section = MediaDescription(
      kind: content.kind, port: defaultAddress?.port ?? 9, protocolName: content.protocolName,
      formats: formats(content).map { "\($0)" })
    section.lines.append(Self.connection(defaultAddress?.ip))
    section.lines.append(.attribute("rtcp", "9 IN IP4 0.0.0.0"))
    if hasCandidates { section.lines += local.candidateLines }
    section.lines += local.lines(setup: setup)
    if !content.mid.isEmpty { section.lines.append(.attribute("mid", content.mid)) }
    if content.allowsMixedExtensions { section.lines.append(.attribute("extmap-allow-mixed")) }
    section.lines += content.extensions.map(\.attribute)
    section.lines.append(.attribute(content.direction.rawValue))
    if let track = content.track { section.lines.append(.attribute("msid", track.msid)) }
    section.lines.append(.attribute("rtcp-mux"))
    if content.isReducedSize { section.lines.append(.attribute("rtcp-rsize")) }
    section.lines += content.codecs.flatMap { codecLines($0) }
    if let track = content.track { section.lines += track.sourceLines }
    return section
  }

  /// An m-line that is refused, or was stopped: port 0, outside the bundle.
  static func rejection(of section: MediaDescription) -> MediaDescription {
    var rejected = MediaDescription(
      kind: section.kind, port: 0, protocolName: section.protocolName,
      formats: section.formats.isEmpty ? ["0"] : section.formats)
    rejected.lines = [connection(nil)]
    if let mid = section.mid { rejected.lines.append(.attribute("mid", mid)) }
    rejected.lines.append(.attribute("inactive"))
    return rejected
  }

  static func connection(_ ip: IPAddress?) -> SDPLine {
    let ip = ip ?? .v4(0)
    return SDPLine(.connection, "IN \(ip.isV6 ? "IP6" : "IP4") \(ip)")
  }

  private func formats(_ content: Content) -> [UInt8] {
    let written = content.codecs.flatMap { [$0.payloadType] + ($0.retransmissionPayloadType.map { [$0] } ?? []) }
    return content.formats.isEmpty ? written : content.formats.filter(Set(written).contains)
  }

  private func codecLines(_ codec: NegotiatedCodec) -> [SDPLine] {
    let type = codec.payloadType
    var lines = [SDPLine.attribute("rtpmap", "\(type) \(codec.encoding)")]
    lines += codec.feedback.map { .attribute("rtcp-fb", "\(type) \($0)") }
    if let fmtp = codec.fmtp { lines.append(.attribute("fmtp", "\(type) \(fmtp)")) }
    if let repair = codec.retransmissionPayloadType {
      lines.append(.attribute("rtpmap", "\(repair) rtx/\(codec.clockRate)"))
      lines.append(.attribute("fmtp", "\(repair) apt=\(type)"))
    }
    return lines
  }
}
