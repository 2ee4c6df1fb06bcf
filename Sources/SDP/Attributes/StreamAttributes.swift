/// An `a=msid` value (RFC 8830): which MediaStream and which track of it an m-line carries.
public struct MSID: Hashable, Sendable {
  /// "-" if the track is in no stream.
  public var stream: String
  /// Empty where the description leaves it out.
  public var track: String

  public init(stream: String, track: String) {
    self.stream = stream
    self.track = track
  }

  init?(attribute: some StringProtocol) {
    let words = attribute.words
    guard let stream = words.first, words.count <= 2 else { return nil }
    self.init(stream: String(stream), track: words.count == 2 ? String(words[1]) : "")
  }
}

/// An `a=ssrc-group` line (RFC 5576 section 4.2): "FID" (original, retransmission), "SIM" (simulcast), "FEC-FR".
public struct SSRCGroup: Hashable, Sendable {
  public var semantics: String
  public var ssrcs: [UInt32]

  public init(semantics: String, ssrcs: [UInt32]) {
    self.semantics = semantics
    self.ssrcs = ssrcs
  }
}

extension MediaDescription {
  public var msids: [MSID] { attributes("msid").compactMap { MSID(attribute: $0) } }

  /// The attributes said of each SSRC (RFC 5576 section 4.1), in order: name and value.
  public var ssrcAttributes: [(ssrc: UInt32, name: String, value: String)] {
    attributes("ssrc").compactMap { text in
      guard let (number, rest) = text.cut(at: " "), let ssrc: UInt32 = decimal(number) else { return nil }
      guard let (name, value) = rest.cut(at: ":") else { return (ssrc, String(rest), "") }
      return (ssrc, String(name), String(value))
    }
  }

  public var ssrcGroups: [SSRCGroup] {
    attributes("ssrc-group").compactMap { text in
      let words = text.words
      let ssrcs = words.dropFirst().compactMap { decimal($0, as: UInt32.self) }
      guard let semantics = words.first, !ssrcs.isEmpty, ssrcs.count == words.count - 1 else { return nil }
      return SSRCGroup(semantics: semantics.uppercased(), ssrcs: ssrcs)
    }
  }

  /// Every SSRC named, in order, once.
  public var ssrcs: [UInt32] {
    var seen = Set<UInt32>()
    return attributes("ssrc").compactMap { text in
      guard let word = text.words.first, let ssrc: UInt32 = decimal(word) else { return nil }
      return seen.insert(ssrc).inserted ? ssrc : nil
    }
  }

  /// Original SSRC to retransmission SSRC, from the FID groups.
  public var retransmissionSSRCs: [UInt32: UInt32] {
    var pairs: [UInt32: UInt32] = [:]
    for group in ssrcGroups where group.semantics == "FID" && group.ssrcs.count == 2 && group.ssrcs[0] != group.ssrcs[1]
    {
      if pairs[group.ssrcs[0]] == nil { pairs[group.ssrcs[0]] = group.ssrcs[1] }
    }
    return pairs
  }

  /// The SSRCs that carry media, not repair.
  public var mediaSSRCs: [UInt32] {
    let repair = ssrcGroups.filter { $0.semantics == "FID" || $0.semantics == "FEC-FR" }
    let repairing = Set(repair.flatMap { $0.ssrcs.dropFirst() })
    return ssrcs.filter { !repairing.contains($0) }
  }

  public var cname: String? { ssrcAttributes.first { $0.name == "cname" }?.value }

  /// Whether one m-line carries several tracks, told apart by SSRC only: the abandoned "plan B".
  var isPlanB: Bool {
    let tracks = Set(ssrcAttributes.filter { $0.name == "msid" }.map(\.value))
    return tracks.count > 1 && msids.isEmpty
  }
}
