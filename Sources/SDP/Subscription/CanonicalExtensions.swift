/// One table of header-extension ids for all that is offered in a subscribe session: the same id for a URI in every
/// m-line.
struct CanonicalExtensions: Hashable, Sendable {
  private var ids: [String: UInt8] = [
    ExtensionURI.audioLevel: 1, ExtensionURI.mid: 4, ExtensionURI.playoutDelay: 5, ExtensionURI.videoContentType: 6,
    ExtensionURI.videoTiming: 7, ExtensionURI.colorSpace: 8, ExtensionURI.absoluteCaptureTime: 9,
    ExtensionURI.dependencyDescriptor: 12, ExtensionURI.videoOrientation: 13,
  ]

  /// The MID and those of `uris` that pass, in the order of `passing`; one for which no id is left is not offered.
  mutating func maps(_ uris: [String], passing: [String]) -> [ExtensionMap] {
    ([ExtensionURI.mid] + passing.filter(uris.contains)).compactMap { uri in
      id(of: uri).map { ExtensionMap(id: $0, direction: nil, uri: uri) }
    }
  }

  private mutating func id(of uri: String) -> UInt8? {
    if let id = ids[uri] { return id }
    let used = Set(ids.values)
    guard let id = (1...14).first(where: { !used.contains($0) }) else { return nil }
    ids[uri] = id
    return id
  }
}
