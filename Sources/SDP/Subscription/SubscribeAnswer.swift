/// A client's answer, read against the m-lines that were offered.
struct SubscribeAnswer {
  /// What became of each carried track.
  private(set) var media: [SubscribedMedia] = []
  /// Places of the m-lines with port 0.
  private(set) var refused: [Int] = []
  /// nil if every m-line was refused.
  private(set) var transport: RemoteTransportDescription?

  init(_ answer: SessionDescription, to lines: [SubscribeSession.Line]) throws(SDPError) {
    if answer.isICELite { throw .bothICELite }
    try Self.check(answer, against: lines)
    var accepted: [Int] = []
    for (index, section) in answer.media.enumerated() {
      if section.port == 0 { refused.append(index) } else { accepted.append(index) }
    }
    try Self.checkBundle(accepted.map { answer.media[$0] }, in: answer)
    var bundle = BundleCodecs()
    var identities = CodecIdentities()
    for (index, line) in lines.enumerated() where line.isCarrying {
      guard let track = line.track else { continue }
      let codecs = answer.media[index].port == 0 ? [] : bundle.codecs(of: answer.media[index])
      media.append(Self.taken(track, line, answer.media[index], codecs, in: answer, &identities))
    }
    transport = try Self.transport(accepted.map { answer.media[$0] }, in: answer)
  }

  private static func check(_ answer: SessionDescription, against lines: [SubscribeSession.Line]) throws(SDPError) {
    guard answer.media.count == lines.count else {
      throw .mediaRemoved(expected: lines.count, found: answer.media.count)
    }
    for (index, (line, section)) in zip(lines, answer.media).enumerated() where section.port != 0 {
      let expected = "\(line.kind.rawValue) \"\(line.mid)\""
      let found = "\(section.kind.rawValue) \"\(section.mid ?? "")\""
      guard expected == found else { throw .mediaChanged(index: index, expected: expected, found: found) }
    }
  }

  private static func checkBundle(_ accepted: [MediaDescription], in answer: SessionDescription) throws(SDPError) {
    guard let first = accepted.first else { return }
    guard let bundle = (answer.bundle ?? (accepted.count == 1 ? [first.mid ?? ""] : nil)).map(Set.init) else {
      throw .noBundle
    }
    for section in accepted {
      guard bundle.contains(section.mid ?? "") else { throw .notInBundle(mid: section.mid ?? "") }
    }
  }

  /// From the first m-line of the answer's bundle.
  private static func transport(
    _ accepted: [MediaDescription], in answer: SessionDescription
  ) throws(SDPError) -> RemoteTransportDescription? {
    guard let first = accepted.first else { return nil }
    let byMID = Dictionary(accepted.map { ($0.mid ?? "", $0) }) { first, _ in first }
    let tagged = answer.bundle?.lazy.compactMap { byMID[$0] }.first ?? first
    guard tagged.hasRTCPMux else { throw .noRTCPMux(mid: tagged.mid ?? "") }
    let transport = try RemoteTransportDescription(tagged, in: answer, defaultSetup: .active)
    guard transport.setup == .active || transport.setup == .passive else { throw .badSetup(transport.setup.rawValue) }
    return transport
  }

  private static func taken(
    _ track: OfferedTrack, _ line: SubscribeSession.Line, _ section: MediaDescription,
    _ answered: [NegotiatedCodec], in answer: SessionDescription, _ identities: inout CodecIdentities
  ) -> SubscribedMedia {
    let mixed = section.allowsMixedExtensions || answer.allowsMixedExtensions
    var extensions: [String: UInt8] = [:]
    for map in section.extensionMaps(in: answer)
    where map.direction.receives {
      guard line.extensions.contains(where: { $0.id == map.id && $0.uri == map.uri }) else { continue }
      guard mixed || map.uri != ExtensionURI.dependencyDescriptor else { continue }
      extensions[map.uri] = UInt8(truncatingIfNeeded: map.id)
    }
    guard section.port != 0 else {
      return SubscribedMedia(trackID: track.trackID, mid: line.mid, refusal: .codecs, codecs: [], extensions: [:])
    }
    let taken = CodecChoice(answered, &identities)
    var places: Set<Int> = []
    for codec in line.codecs { if let place = taken.place(of: identities[codec]) { places.insert(place) } }
    let codecs = answered.enumerated().filter { places.contains($0.offset) }.map(\.element)
    let refusal: SubscribedMedia.Refusal? =
      if !codecs.contains(where: \.carriesMedia) {
        .codecs
      } else if !section.direction(in: answer).receives { .direction } else { nil }
    return SubscribedMedia(
      trackID: track.trackID, mid: line.mid, refusal: refusal, codecs: codecs, extensions: extensions)
  }
}
