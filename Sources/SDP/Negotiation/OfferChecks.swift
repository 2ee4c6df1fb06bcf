/// An offer that has been found to be one we can serve: unified plan, one bundle, RTCP multiplexed, DTLS-SRTP.
struct CheckedOffer {
  let session: SessionDescription
  /// Places of the m-lines that can be answered; the others are refused one by one.
  let usable: Set<Int>
  /// The m-line that stands for the bundle (RFC 9143 section 7.2.1); nil if nothing is usable.
  let tagged: Int?
  /// Whether the answer may have a BUNDLE group: only if the offer has one.
  let isBundled: Bool

  /// `isFirst`: a later offer may have every m-line stopped.
  init(_ session: SessionDescription, isFirst: Bool) throws(SDPError) {
    self.session = session
    let media = session.media
    if session.isICELite { throw .bothICELite }
    try Self.checkKinds(media, isFirst: isFirst)
    var usable = media.indices.filter { media[$0].isRTP && !media[$0].isDisabled }
    try Self.checkTransports(usable.map { media[$0] }, in: session)
    let bundle = session.bundle.map { mids in Dictionary(zip(mids, 0...)) { first, _ in first } }
    try Self.checkMids(media, isBundled: bundle != nil || usable.count > 1)
    if let bundle {
      let outside = usable.first { bundle[media[$0].mid ?? ""] == nil }
      usable.removeAll { bundle[media[$0].mid ?? ""] == nil }
      if usable.isEmpty, let outside { throw .notInBundle(mid: media[outside].mid ?? "") }
    } else if usable.count > 1 {
      throw .noBundle
    }
    for index in usable where media[index].isPlanB { throw .planB(mid: media[index].mid ?? "\(index)") }
    isBundled = bundle != nil
    self.usable = Set(usable)
    tagged = Self.tagged(bundle ?? [:], usable, session)
    // The others of a bundle may leave out what is the same for all (RFC 9143 section 7.1.3, RFC 8859).
    if let tagged, !media[tagged].hasRTCPMux { throw .noRTCPMux(mid: media[tagged].mid ?? "\(tagged)") }
  }

  private static func checkKinds(_ media: [MediaDescription], isFirst: Bool) throws(SDPError) {
    guard !media.contains(where: \.isRTP) else {
      if isFirst, media.allSatisfy({ !$0.isRTP || $0.isDisabled }) { throw .onlyStoppedMedia }
      return
    }
    throw media.contains { $0.kind == .other("application") } ? .dataChannelOnly : .noMedia
  }

  /// Whatever profile of RTP is written, a fingerprint means DTLS-SRTP (RFC 8829 section 5.1.2); SDES beside it is passed
  /// by. Without one the profile tells what was meant instead.
  private static func checkTransports(
    _ media: [MediaDescription], in session: SessionDescription
  ) throws(SDPError) {
    guard !session.hasAttribute("fingerprint"), !media.contains(where: { $0.hasAttribute("fingerprint") }) else {
      return
    }
    for section in media {
      let name = section.protocolName.uppercased()
      if section.hasAttribute("crypto") || ["RTP/SAVPF", "RTP/SAVP"].contains(name) { throw .sdesUnsupported }
      if !name.contains("TLS/") { throw .unencrypted(protocolName: name) }
    }
  }

  /// A bundle is told apart by mids. One m-line alone needs none.
  private static func checkMids(_ media: [MediaDescription], isBundled: Bool) throws(SDPError) {
    var seen = Set<String>()
    for (index, section) in media.enumerated() {
      guard let mid = section.mid else {
        if section.isDisabled || !section.isRTP || !isBundled { continue }
        throw section.isPlanB ? .planB(mid: "\(index)") : .noMid(index: index)
      }
      // It must fit a one-byte header-extension element.
      guard mid.utf8.count <= 16 || !section.isRTP else { throw .longMid(mid) }
      guard seen.insert(mid).inserted else { throw .duplicateMid(mid) }
    }
  }

  /// The first of the bundle that carries transport attributes of its own, or shares the session's.
  /// `bundle`: the place of each mid in the group.
  private static func tagged(_ bundle: [String: Int], _ usable: [Int], _ session: SessionDescription) -> Int? {
    let media = session.media
    let positions = usable.map { bundle[media[$0].mid ?? ""] ?? 0 }
    let ordered = zip(usable, positions).sorted { $0.1 < $1.1 }.map(\.0)
    return ordered.first { media[$0].hasAttribute("ice-ufrag") } ?? ordered.first
  }
}

extension MediaDescription {
  /// Audio or video over some RTP profile.
  var isRTP: Bool { (kind == .audio || kind == .video) && protocolName.uppercased().contains("RTP/") }
}
